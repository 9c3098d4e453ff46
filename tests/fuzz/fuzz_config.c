/* fuzz_config.c - any text is read or refused; what is read prints to something that reads back the
 * same. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config first, second;
	struct config_error error;
	char *text = NULL;
	size_t len = 0;

	if (!config_parse("fuzz", (const char *)data, size, &first, &error)) {
		ASSERT(strncmp(error.text, "fuzz:", 5) == 0);
		ASSERT(memchr(error.text, '\0', sizeof(error.text)) != NULL);
		return 0;
	}
	FILE *out = open_memstream(&text, &len);
	ASSERT(out != NULL);
	config_print(&first, out);
	fclose(out);
	ASSERT(config_parse("printed", text, len, &second, &error));
	ASSERT(memcmp(&first, &second, sizeof(first)) == 0);
	free(text);
	return 0;
}
