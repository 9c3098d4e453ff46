/* facts_build.h - the facts of one message (base/facts.h) put together. */
#ifndef SMTP_FACTS_BUILD_H
#define SMTP_FACTS_BUILD_H

#include "base/arena.h"
#include "base/facts.h"
#include "smtp/header.h"
#include "smtp/mime.h"
#include "smtp/relays.h"

/* The arrays facts point into. */
struct facts_build {
	struct facts facts;
	struct fact_field *field; /* FACT_FIELDS_MAX */
	struct fact_part *part;   /* FACT_PARTS_MAX */
	struct fact_html *html;   /* FACT_HTML_MAX */
	int64_t received_date_s[FACT_DATES_MAX];
};

size_t facts_build_bytes(void);
/* False when memory is out. */
bool facts_build_init(struct facts_build *build, struct arena *arena);

/* Begins a message with its parts. */
void facts_build_open(struct facts_build *build, struct mime_tree *tree);
/* Room for the facts of one more HTML part, or NULL. */
struct fact_html *facts_build_html(struct facts_build *build, uint32_t part);
/* The rest: fields, relays, dates, flags. */
void facts_build_close(struct facts_build *build, struct mime_tree *tree,
                       const struct relays *relays);

#endif
