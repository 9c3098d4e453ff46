/* err.c - the texts of errors.def. */
#include "base/err.h"

static const char *const texts[ERR_COUNT] = {
    [OK] = "ok",
#define ERR(name, text) [ERR_##name] = (text),
#include "base/errors.def"
#undef ERR
};

const char *err_text(enum err err)
{
	if ((unsigned)err >= ERR_COUNT)
		return "unknown error";
	return texts[err];
}
