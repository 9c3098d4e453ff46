/* outcome.c - results of operations. */
#include "mgmt/outcome.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "mgmt/json_text.h"

void outcome_give(outcome_done *done, void *context, bool ok, json_t *body)
{
	if (done != NULL)
		done(context, ok, body);
	else
		json_decref(body);
}

void outcome_fail(outcome_done *done, void *context, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	json_t *body = json_object();

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_object_set_new(body, "error", JSON_TEXT(text));
	outcome_give(done, context, false, body);
}
