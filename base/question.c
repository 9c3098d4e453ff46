/* question.c - layout of the shared memory, and the checks of what the other side wrote into it. */
#include "base/question.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/dkim_question.h"
#include "base/dmarc_question.h"
#include "base/sealed.h"
#include "base/spf_question.h"

#define MAGIC          0x3153534e51545350u /* "PSTQNSS1" */
#define VERSION        3
#define PAGE_BYTES     ((size_t)4096)
#define SEALS          (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define NAME_BYTES_MAX 253
#define LABEL_BYTES    63

struct header {
	uint64_t magic;
	uint32_t version, question_bytes, answer_bytes, record_count, worker_count, zero;
	_Alignas(64) struct question_state state;
};

static_assert(sizeof(struct question) == 1040, "fixed layout");
static_assert(sizeof(struct answer) == 568, "fixed layout");
static_assert(sizeof(struct header) <= PAGE_BYTES, "one page");

const char *question_kind_text(enum question_kind kind)
{
	static const char *const texts[] = {
#define QUESTION(name, text, answered, named, held) text,
#include "base/questions.def"
	};

	ASSERT(kind < QUESTION_KIND_COUNT);
	return texts[kind];
}

bool question_is_answered(enum question_kind kind)
{
	static const bool answered_kinds[] = {
#define QUESTION(name, text, answered, named, held) answered,
#include "base/questions.def"
	};

	ASSERT(kind < QUESTION_KIND_COUNT);
	return answered_kinds[kind];
}

static bool is_name_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool question_name_is_sound(struct bytes name)
{
	size_t label = 0, labels = 1;

	if (name.len == 0 || name.len > NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			labels++;
		} else if (!is_name_octet(name.data[i]) || ++label > LABEL_BYTES) {
			return false;
		}
	}
	return label > 0 && labels > 1;
}

void question_write(struct question *out_question, uint64_t id, enum question_kind kind,
                    struct bytes text)
{
	ASSERT(text.len < QUESTION_BYTES);
	memset(out_question, 0, sizeof(*out_question));
	out_question->id = id;
	out_question->kind = (uint16_t)kind;
	out_question->text_len = (uint16_t)text.len;
	memcpy(out_question->text, text.data, text.len);
}

uint16_t question_record_type(struct bytes word)
{
	static const struct {
		const char *word;
		uint16_t code;
	} types[] = {
#define RECORD_TYPE(name, word, code) {word, code},
#include "base/record_types.def"
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (bytes_equal(word, bytes_text(types[i].word)))
			return types[i].code;
	return 0;
}

bool question_kind_is_of_list(uint32_t kind)
{
	switch (kind) {
	case QUESTION_HOST:
	case QUESTION_SERVERS:
	case QUESTION_SERVER_NAMES:
	case QUESTION_SERVER_DOMAINS:
	case QUESTION_PRIMARY:
		return true;
	default:
		return false;
	}
}

bool question_of_list_read(struct bytes text, struct question_of_list *out_question)
{
	size_t blank = bytes_find(text, ' ');
	struct bytes rest = bytes_slice(text, blank + 1, SIZE_MAX);
	size_t end = bytes_find(rest, ' ');
	struct bytes type = bytes_slice(rest, end + 1, SIZE_MAX);

	out_question->host = bytes_slice(text, 0, blank);
	out_question->zone = bytes_slice(rest, 0, end);
	out_question->texts = end < rest.len;
	return blank < text.len && (end == rest.len || bytes_equal(type, BYTES("txt"))) &&
	       out_question->host.len + out_question->zone.len + 1 < QUESTION_NAME_BYTES &&
	       question_name_is_sound(out_question->host) &&
	       question_name_is_sound(out_question->zone);
}

bool question_text_is_sound(uint32_t kind, struct bytes text)
{
	if (kind >= QUESTION_KIND_COUNT || text.len >= QUESTION_BYTES)
		return false;
	if (kind == QUESTION_ADDRESS || kind == QUESTION_TEXT)
		return question_name_is_sound(text);
	if (kind == QUESTION_RECORDS || kind == QUESTION_CODE) {
		size_t blank = bytes_find(text, ' ');

		return question_record_type(bytes_slice(text, 0, blank)) != 0 &&
		       question_name_is_sound(bytes_slice(text, blank + 1, SIZE_MAX));
	}
	if (kind == QUESTION_PRACTICES)
		return question_name_is_sound(text) &&
		       text.len + sizeof(QUESTION_PRACTICES_PREFIX) - 1 <= NAME_BYTES_MAX;
	if (kind == QUESTION_DKIM) {
		struct dkim_question dkim;

		return dkim_question_read(text, &dkim);
	}
	if (kind == QUESTION_DMARC) {
		struct dmarc_request request;

		return dmarc_request_read(text, &request);
	}
	if (kind == QUESTION_SPF) {
		struct spf_request request;

		return spf_request_read(text, &request);
	}
	if (question_kind_is_of_list(kind)) {
		struct question_of_list list;

		return question_of_list_read(text, &list);
	}
	return text.len > 0;
}

bool question_is_sound(const struct question *question)
{
	return question_text_is_sound(question->kind, bytes_of(question->text, question->text_len));
}

bool answer_is_sound(const struct answer *answer)
{
	return answer->result < ANSWER_RESULT_COUNT &&
	       answer->address_count <= ANSWER_ADDRESSES_MAX &&
	       answer->text_len <= ANSWER_TEXT_BYTES &&
	       (answer->text_len == 0 || answer->text[answer->text_len - 1] == '\0');
}

static size_t pages(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static size_t questions_bytes(void)
{
	return pages(ring_bytes(sizeof(struct question), QUESTION_RING_RECORDS));
}

static size_t worker_bytes(void)
{
	return questions_bytes() + pages(ring_bytes(sizeof(struct answer), QUESTION_RING_RECORDS));
}

static size_t total_bytes(uint32_t worker_count)
{
	return pages(sizeof(struct header)) + worker_count * worker_bytes();
}

static struct header expected(uint32_t worker_count)
{
	return (struct header){.magic = MAGIC,
	                       .version = VERSION,
	                       .question_bytes = sizeof(struct question),
	                       .answer_bytes = sizeof(struct answer),
	                       .record_count = QUESTION_RING_RECORDS,
	                       .worker_count = worker_count};
}

static enum err map(struct question_rings *rings)
{
	void *memory = mmap(NULL, rings->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, rings->fd, 0);

	if (memory == MAP_FAILED)
		return ERR_NO_MEMORY;
	rings->memory = memory;
	return OK;
}

enum err question_rings_create(struct question_rings *rings, uint32_t worker_count)
{
	struct question_rings r = {.worker_count = worker_count};

	ASSERT(worker_count > 0 && worker_count <= QUESTION_WORKERS_MAX);
	r.bytes = total_bytes(worker_count);
	r.fd = memfd_create("postern-questions", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r.fd < 0)
		return ERR_SYSTEM;
	if (ftruncate(r.fd, (off_t)r.bytes) != 0 || fcntl(r.fd, F_ADD_SEALS, SEALS) != 0 ||
	    map(&r) != OK) {
		close(r.fd);
		return ERR_NO_MEMORY;
	}
	*(struct header *)(void *)r.memory = expected(worker_count);
	for (uint32_t i = 0; i < worker_count; i++) {
		ring_init(question_rings_questions(&r, i), sizeof(struct question),
		          QUESTION_RING_RECORDS);
		ring_init(question_rings_answers(&r, i), sizeof(struct answer),
		          QUESTION_RING_RECORDS);
	}
	*rings = r;
	return OK;
}

enum err question_rings_open(struct question_rings *rings, int fd)
{
	struct question_rings r = {.fd = fd};
	struct header header, wanted;
	size_t bytes;
	enum err err = sealed_size(fd, SEALS, &bytes);

	if (err != OK)
		return err;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return ERR_TRUNCATED;
	if (header.magic != MAGIC)
		return ERR_MAGIC;
	if (header.worker_count == 0 || header.worker_count > QUESTION_WORKERS_MAX)
		return ERR_RANGE;
	wanted = expected(header.worker_count);
	if (memcmp(&header, &wanted, offsetof(struct header, zero)) != 0)
		return ERR_VERSION;
	r.worker_count = header.worker_count;
	r.bytes = total_bytes(r.worker_count);
	if (bytes != r.bytes)
		return ERR_TRUNCATED;
	err = map(&r);
	if (err == OK)
		*rings = r;
	return err;
}

void question_rings_close(struct question_rings *rings)
{
	munmap(rings->memory, rings->bytes);
	close(rings->fd);
	*rings = (struct question_rings){.fd = -1};
}

struct ring *question_rings_questions(const struct question_rings *rings, uint32_t worker)
{
	ASSERT(worker < rings->worker_count);
	return (struct ring *)(void *)(rings->memory + pages(sizeof(struct header)) +
	                               worker * worker_bytes());
}

struct ring *question_rings_answers(const struct question_rings *rings, uint32_t worker)
{
	uint8_t *questions = (uint8_t *)question_rings_questions(rings, worker);

	return (struct ring *)(void *)(questions + questions_bytes());
}

bool question_push(struct ring *questions, const struct question *question)
{
	return ring_push_shared(questions, sizeof(*question), QUESTION_RING_RECORDS, question);
}

bool question_pop(struct ring *questions, struct question *out_question)
{
	return ring_pop_shared(questions, sizeof(*out_question), QUESTION_RING_RECORDS,
	                       out_question);
}

bool answer_push(struct ring *answers, const struct answer *answer)
{
	return ring_push_shared(answers, sizeof(*answer), QUESTION_RING_RECORDS, answer);
}

bool answer_pop(struct ring *answers, struct answer *out_answer)
{
	return ring_pop_shared(answers, sizeof(*out_answer), QUESTION_RING_RECORDS, out_answer);
}

struct question_state *question_rings_state(const struct question_rings *rings)
{
	return &((struct header *)(void *)rings->memory)->state;
}
