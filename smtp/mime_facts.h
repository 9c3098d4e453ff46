/* mime_facts.h - what rules ask about the parts of a message and how they were encoded. */
#ifndef SMTP_MIME_FACTS_H
#define SMTP_MIME_FACTS_H

#include "base/facts.h"
#include "smtp/mime.h"

/* Fills `out_parts` (FACT_PARTS_MAX) and `out_mime` from a parsed tree; the slices point into it.
 * What is rendered of a part is not known yet. */
void mime_facts_collect(struct mime_tree *tree, struct fact_part *out_parts,
                        struct fact_mime *out_mime);

#endif
