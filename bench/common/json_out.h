/* json_out.h - JSON strings onto a stdio stream. */
#ifndef BENCH_COMMON_JSON_OUT_H
#define BENCH_COMMON_JSON_OUT_H

#include <stdio.h>

#include "base/bytes.h"

/* In quotes, escaped; octets above 127 are written as \u00XX, so that the output is valid whatever
 * came in. */
void json_out_string(FILE *file, struct bytes text);

#endif
