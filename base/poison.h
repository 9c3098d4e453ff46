/* poison.h - marks memory that must not be touched; does nothing without AddressSanitizer. */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define POISON_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ASAN
#endif
#endif

#ifdef POISON_ASAN
#include <sanitizer/asan_interface.h>
#define POISON_SET(memory, bytes)   ASAN_POISON_MEMORY_REGION(memory, bytes)
#define POISON_CLEAR(memory, bytes) ASAN_UNPOISON_MEMORY_REGION(memory, bytes)
#else
#define POISON_SET(memory, bytes)   ((void)(memory), (void)(bytes))
#define POISON_CLEAR(memory, bytes) ((void)(memory), (void)(bytes))
#endif

#endif
