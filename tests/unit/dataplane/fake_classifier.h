/* fake_classifier.h - rulesets and lists that only know whether they are open; linked with --wrap.
 */
#ifndef TESTS_FAKE_CLASSIFIER_H
#define TESTS_FAKE_CLASSIFIER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/generation.h"

#define FAKE_ALIVE 0x616c6976u

struct fake { /* stands for struct ruleset, struct lists and struct scan_context */
	_Atomic uint32_t
	    alive; /* FAKE_ALIVE, or 0 once closed; never given back before the test ends */
	uint64_t number;
};

extern _Atomic int fake_rulesets_open, fake_lists_open, fake_contexts_open, fake_memos_set;
extern bool fake_ruleset_refused, fake_context_refused, fake_selectors_wrong;

bool fake_is_alive(const void *object);
/* A sealed generation of that kind and number. */
/* Without sections. */
int fake_empty_generation(enum generation_kind kind, uint64_t number);
int fake_generation(enum generation_kind kind, uint64_t number);

#endif
