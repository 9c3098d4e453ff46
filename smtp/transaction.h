/* transaction.h - one mail transaction's envelope: lives from MAIL to its end or RSET. */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

struct transaction_path {
	uint32_t start; /* of the path in storage, without angle brackets and source route */
	uint16_t path_len;
	uint16_t parameters_len; /* right behind the path, as given: "SIZE=100 BODY=8BITMIME" */
	bool accepted;           /* recipients: the backend said 250 */
};

struct transaction {
	uint64_t declared_bytes;       /* SIZE=, 0 when not given */
	bool eightbit;                 /* BODY=8BITMIME */
	uint16_t auth_start, auth_len; /* AUTH= in the sender's parameters: its value */
	uint16_t recipient_count;
	uint16_t accepted_count;
	uint32_t storage_len;
	struct transaction_path sender;
	struct transaction_path recipient[SMTP_RECIPIENTS_MAX];
	uint8_t storage[SMTP_ENVELOPE_BYTES_MAX];
};

static inline struct bytes transaction_path_text(const struct transaction *t,
                                                 const struct transaction_path *path)
{
	return bytes_of(t->storage + path->start, path->path_len);
}

static inline struct bytes transaction_parameters_text(const struct transaction *t,
                                                       const struct transaction_path *path)
{
	return bytes_of(t->storage + path->start + path->path_len, path->parameters_len);
}

/* Empty; costs nothing of the size of the tables. */
void transaction_init(struct transaction *transaction);
/* Copies the sender of an empty transaction. False when it does not fit. */
bool transaction_set_sender(struct transaction *transaction, struct bytes path,
                            struct bytes parameters);
/* Copies a recipient behind the others, not accepted yet. False when the table or the storage is
 * full. */
bool transaction_add_recipient(struct transaction *transaction, struct bytes path,
                               struct bytes parameters);
void transaction_accept_recipient(struct transaction *transaction, uint32_t index);

#endif
