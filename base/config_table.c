/* config_table.c - the rows of options.def and objects.def as data. */
#include <assert.h>

#include "base/check.h"
#include "base/config_internal.h"

/* The rows say YES and NO. */
#define YES true
#define NO  false

const struct option option_table[OPTION_COUNT] = {
#define OPTION(section, key, type, def, min, max, unit, reload, help) \
	{#section, #key, help, NULL, OPTION_TYPE_##type, \
	 reload,   def,  min,  max,  offsetof(struct config, key)},
#define OPTION_TEXT(section, key, def, reload, help) \
	{#section, #key, help, def, OPTION_TYPE_text, \
	 reload,   0,    0,    0,   offsetof(struct config, key)},
#define OPTION_TEXTS(section, key, reload, help) \
	{#section, #key, help, NULL, OPTION_TYPE_texts, \
	 reload,   0,    0,    0,    offsetof(struct config, key)},
#include "base/options.def"
};

#define OPTION(section, key, type, def, min, max, unit, reload, help) \
	static_assert((min) <= (def) && (def) <= (max), \
	              #section "." #key ": default within its range");
#define OPTION_TEXT(section, key, def, reload, help) \
	static_assert(sizeof(def) <= CONFIG_TEXT_BYTES, #section "." #key ": default fits");
#define OPTION_TEXTS(section, key, reload, help)
#include "base/options.def"

#define object_of_ports        struct config_port
#define object_of_listeners    struct config_listener
#define object_of_backends     struct config_backend
#define object_of_certificates struct config_certificate
#define object_of_scored_lists struct config_scored_list
#define object_of_domains      struct config_domain

const struct field field_table[] = {
#define FIELD(section, key, member, kind, def, min, max, need, help) \
	{#key,         help, OBJECT_##section, \
	 FIELD_##kind, def,  min, \
	 max,          need, offsetof(object_of_##section, member)},
#define DRIVER(name, interface, help)
#include "base/objects.def"
};
const uint32_t field_count = sizeof(field_table) / sizeof(field_table[0]);
static_assert(sizeof(field_table) / sizeof(field_table[0]) <= FIELD_COUNT_MAX, "a bit each");

const struct driver driver_table[] = {
#define FIELD(section, key, member, kind, def, min, max, need, help)
#define DRIVER(name, interface, help) {#name, help, interface},
#include "base/objects.def"
};
const uint32_t driver_count = sizeof(driver_table) / sizeof(driver_table[0]);

#define OBJECT_NAME_BYTES 32

const struct object object_table[OBJECT_KIND_COUNT] = {
    [OBJECT_ports] = {"ports", "Network ports of the dataplane", sizeof(struct config_port),
                      offsetof(struct config, port), offsetof(struct config, port_count), PORTS_MAX,
                      OBJECT_NAME_BYTES},
    [OBJECT_listeners] = {"listeners", "Where mail comes in", sizeof(struct config_listener),
                          offsetof(struct config, listener),
                          offsetof(struct config, listener_count), LISTENERS_MAX,
                          OBJECT_NAME_BYTES},
    [OBJECT_backends] = {"backends", "Mail servers that mail is handed to",
                         sizeof(struct config_backend), offsetof(struct config, backend),
                         offsetof(struct config, backend_count), BACKENDS_MAX, OBJECT_NAME_BYTES},
    [OBJECT_certificates] = {"certificates", "Certificates shown to clients",
                             sizeof(struct config_certificate),
                             offsetof(struct config, certificate),
                             offsetof(struct config, certificate_count), CERTIFICATES_MAX,
                             OBJECT_NAME_BYTES},
    [OBJECT_scored_lists] = {"scored_lists", "Lists that a rule of their name gives points for",
                             sizeof(struct config_scored_list),
                             offsetof(struct config, scored_list),
                             offsetof(struct config, scored_list_count), CONFIG_SCORED_LISTS_MAX,
                             OBJECT_NAME_BYTES},
    [OBJECT_domains] = {"domains", "Policies of recipients' domains", sizeof(struct config_domain),
                        offsetof(struct config, domain), offsetof(struct config, domain_count),
                        DOMAINS_MAX, CONFIG_TEXT_BYTES - 1},
};

/* The largest frame, an 802.1Q tag included, fits a packet buffer behind its head room. */
static_assert(1900 + 18 <= PKT_DATA_BYTES - PKT_HEADROOM_BYTES, "ports.mtu at its maximum");
static_assert(offsetof(struct config_port, name) == 0 &&
                  offsetof(struct config_listener, name) == 0 &&
                  offsetof(struct config_backend, name) == 0 &&
                  offsetof(struct config_certificate, name) == 0 &&
                  offsetof(struct config_scored_list, name) == 0 &&
                  offsetof(struct config_domain, name) == 0,
              "every object begins with its name");

static void *at(const struct config *config, size_t offset)
{
	return (uint8_t *)(uintptr_t)config + offset;
}

void *object_at(const struct config *config, enum object_kind kind, uint32_t index)
{
	const struct object *object = &object_table[kind];

	ASSERT(index < object->count_max);
	return at(config, object->offset + index * object->bytes);
}

uint32_t *object_count(const struct config *config, enum object_kind kind)
{
	return at(config, object_table[kind].count_offset);
}

void object_defaults(enum object_kind kind, void *object)
{
	memset(object, 0, object_table[kind].bytes);
	for (uint32_t i = 0; i < field_count; i++) {
		const struct field *field = &field_table[i];
		uint8_t *place = (uint8_t *)object + field->offset;
		if (field->object != kind)
			continue;
		if (field->kind == FIELD_U32)
			*(uint32_t *)(void *)place = (uint32_t)field->value;
		if (field->kind == FIELD_PORT)
			*(uint16_t *)(void *)place = (uint16_t)field->value;
		if (field->kind == FIELD_POINTS)
			*(int32_t *)(void *)place = (int32_t)field->value;
	}
}

int64_t option_load(const struct config *config, const struct option *option)
{
	const void *place = at(config, option->offset);

	switch (option->type) {
	case OPTION_TYPE_u32:
	case OPTION_TYPE_ms:
		return *(const uint32_t *)place;
	case OPTION_TYPE_size:
		return (int64_t) * (const uint64_t *)place;
	case OPTION_TYPE_points:
		return *(const int32_t *)place;
	case OPTION_TYPE_bool:
		return *(const bool *)place;
	case OPTION_TYPE_text:
	case OPTION_TYPE_texts:
		break;
	}
	UNREACHABLE();
}

void option_store(struct config *config, const struct option *option, int64_t value)
{
	void *place = at(config, option->offset);

	switch (option->type) {
	case OPTION_TYPE_u32:
	case OPTION_TYPE_ms:
		*(uint32_t *)place = (uint32_t)value;
		return;
	case OPTION_TYPE_size:
		*(uint64_t *)place = (uint64_t)value;
		return;
	case OPTION_TYPE_points:
		*(int32_t *)place = (int32_t)value;
		return;
	case OPTION_TYPE_bool:
		*(bool *)place = value != 0;
		return;
	case OPTION_TYPE_text:
	case OPTION_TYPE_texts:
		break;
	}
	UNREACHABLE();
}
