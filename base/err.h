/* err.h - the one error enum; the texts are rows of errors.def. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	OK = 0,
#define ERR(name, text) ERR_##name,
#include "base/errors.def"
#undef ERR
	ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* A static text for `err`, never NULL. */
const char *err_text(enum err err);

#endif
