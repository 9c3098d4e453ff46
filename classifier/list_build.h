/* list_build.h - write side: text files of addresses, networks and names to a list generation. */
#ifndef CLASSIFIER_LIST_BUILD_H
#define CLASSIFIER_LIST_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/generation.h"
#include "classifier/lists.h"

struct list_builder;

#define LIST_REASON_BYTES 512

/* `wall_us`: the time now; entries that end before it are left out. NULL when memory is out. */
struct list_builder *list_builder_new(uint64_t wall_us);
void list_builder_free(struct list_builder *builder);
MUST_CHECK enum err list_builder_add(struct list_builder *builder, const char *list,
                                     enum list_action action, const struct prefix *prefix);
/* One entry a line: address, CIDR or range "a - b", and perhaps " until 2026-12-31" or " until
 * 2026-12-31T18:00:00Z"; '#' and ';' start comments. A bad line is an error with "FILE:LINE: ..."
 * in `reason` (LIST_REASON_BYTES), and nothing of the file is taken. */
MUST_CHECK enum err list_builder_load(struct list_builder *builder, const char *list,
                                      enum list_action action, const char *path, char *reason);

/* The same for scored lists. `text` is what a line holds before "until": an address, network or
 * range where the kind is about addresses, a domain, or a text. ERR_ADDRESS, ERR_RANGE: it is not;
 * ERR_FULL: too many lists, or they overlap in too many ways. */
MUST_CHECK enum err list_builder_score(struct list_builder *builder, const char *list,
                                       enum list_key kind, struct bytes text);
MUST_CHECK enum err list_builder_score_prefix(struct list_builder *builder, const char *list,
                                              const struct prefix *prefix);
MUST_CHECK enum err list_builder_score_load(struct list_builder *builder, const char *list,
                                            enum list_key kind, const char *path, char *reason);
/* "address", "helo" ...; NULL as out is not allowed. False when there is no such kind. */
bool list_key_parse(struct bytes word, enum list_key *out_kind);
const char *list_key_word(enum list_key kind);

uint64_t list_builder_entry_count(const struct list_builder *builder);
/* When the first of the entries taken ends; 0: none does. */
uint64_t list_builder_next_expiry(const struct list_builder *builder);
MUST_CHECK enum err list_builder_finish(struct list_builder *builder, enum generation_kind kind,
                                        uint64_t number, uint64_t made_wall_us, const char *label,
                                        int *out_fd);

#endif
