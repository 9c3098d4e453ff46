/* list_build.h - write side: text files of addresses and networks to a list generation. */
#ifndef CLASSIFIER_LIST_BUILD_H
#define CLASSIFIER_LIST_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/generation.h"
#include "classifier/lists.h"

struct list_builder;

struct list_builder *list_builder_new(void);
void list_builder_free(struct list_builder *builder);
MUST_CHECK enum err list_builder_add(struct list_builder *builder, const char *list,
                                     enum list_action action, const struct prefix *prefix);
/* One entry a line: address, CIDR or range "a - b"; '#' and ';' start comments. A bad line is an
 * error with "FILE:LINE: ..." in `reason` (512 octets), and nothing of the file is taken. */
MUST_CHECK enum err list_builder_load(struct list_builder *builder, const char *list,
                                      enum list_action action, const char *path, char *reason);
uint64_t list_builder_entry_count(const struct list_builder *builder);
MUST_CHECK enum err list_builder_finish(struct list_builder *builder, enum generation_kind kind,
                                        uint64_t number, uint64_t made_wall_us, const char *label,
                                        int *out_fd);

#endif
