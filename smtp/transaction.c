/* transaction.c - one mail transaction's envelope. */
#include "smtp/transaction.h"

#include "base/check.h"

void transaction_init(struct transaction *transaction)
{
	/* Tables and storage need no clearing: the counts say what of them is valid. */
	transaction->declared_bytes = 0;
	transaction->eightbit = false;
	transaction->auth_start = transaction->auth_len = 0;
	transaction->recipient_count = 0;
	transaction->accepted_count = 0;
	transaction->storage_len = 0;
	transaction->sender = (struct transaction_path){0};
}

static bool keep_path(struct transaction *t, struct bytes path, struct bytes parameters,
                      struct transaction_path *out_path)
{
	size_t bytes = path.len + parameters.len;

	ASSERT(path.len <= SMTP_PATH_BYTES_MAX && parameters.len <= SMTP_COMMAND_LINE_BYTES_MAX);
	if (bytes > sizeof(t->storage) - t->storage_len)
		return false;
	*out_path = (struct transaction_path){.start = t->storage_len,
	                                      .path_len = (uint16_t)path.len,
	                                      .parameters_len = (uint16_t)parameters.len};
	if (path.len > 0)
		memcpy(t->storage + t->storage_len, path.data, path.len);
	if (parameters.len > 0)
		memcpy(t->storage + t->storage_len + path.len, parameters.data, parameters.len);
	t->storage_len += (uint32_t)bytes;
	return true;
}

bool transaction_set_sender(struct transaction *transaction, struct bytes path,
                            struct bytes parameters)
{
	ASSERT(transaction->storage_len == 0);
	return keep_path(transaction, path, parameters, &transaction->sender);
}

bool transaction_add_recipient(struct transaction *transaction, struct bytes path,
                               struct bytes parameters)
{
	if (transaction->recipient_count == SMTP_RECIPIENTS_MAX)
		return false;
	if (!keep_path(transaction, path, parameters,
	               &transaction->recipient[transaction->recipient_count]))
		return false;
	transaction->recipient_count++;
	return true;
}

void transaction_accept_recipient(struct transaction *transaction, uint32_t index)
{
	ASSERT(index < transaction->recipient_count);
	ASSERT(!transaction->recipient[index].accepted);
	transaction->recipient[index].accepted = true;
	transaction->accepted_count++;
	ASSERT(transaction->accepted_count <= transaction->recipient_count);
}
