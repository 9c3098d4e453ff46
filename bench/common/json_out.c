/* json_out.c - JSON strings onto a stdio stream. */
#include "bench/common/json_out.h"

void json_out_string(FILE *file, struct bytes text)
{
	putc('"', file);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t octet = text.data[i];
		if (octet == '"' || octet == '\\')
			fprintf(file, "\\%c", octet);
		else if (octet < ' ' || octet > '~')
			fprintf(file, "\\u%04x", octet);
		else
			putc(octet, file);
	}
	putc('"', file);
}
