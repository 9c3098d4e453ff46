/* test_shared_object.c - the shared object as others load it: what it exports, and that a
 * connection comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet.h"
#include "tests/conformance/conformance_api.h"

static const char *const names[] = {
#define FUNCTION(name) #name,
#include "functions.def"
};
#define NAMES (sizeof(names) / sizeof(names[0]))

/* What the object gave for each name. */
static struct {
#define FUNCTION(name) __typeof__(&(name)) name;
#include "functions.def"
} api;

static const char *path;
static void *object;

static void load(const char *name, void *out_function)
{
	void *symbol = dlsym(object, name);

	if (symbol == NULL) {
		fprintf(stderr, "%s is missing\n", name);
		exit(2);
	}
	memcpy(out_function, &symbol, sizeof(symbol)); /* POSIX lets it be a function */
}

static uint8_t *read_file(void)
{
	FILE *file = fopen(path, "rb");
	uint8_t *octets;
	long bytes;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	bytes = ftell(file);
	assert_true(bytes > (long)sizeof(Elf64_Ehdr));
	rewind(file);
	octets = malloc((size_t)bytes);
	assert_non_null(octets);
	assert_int_equal(fread(octets, 1, (size_t)bytes, file), bytes);
	fclose(file);
	return octets;
}

static bool is_named(const char *name)
{
	for (size_t i = 0; i < NAMES; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void test_exports_exactly_the_api(void **state)
{
	uint8_t *octets = read_file();
	const Elf64_Ehdr *elf = (const Elf64_Ehdr *)(void *)octets;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(void *)(octets + elf->e_shoff);
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < elf->e_shnum; i++) {
		if (sections[i].sh_type != SHT_DYNSYM)
			continue;
		const Elf64_Sym *symbols = (const Elf64_Sym *)(void *)(octets +
		                                                       sections[i].sh_offset);
		const char *texts = (const char *)octets + sections[sections[i].sh_link].sh_offset;
		for (size_t j = 0; j < sections[i].sh_size / sizeof(*symbols); j++) {
			if (symbols[j].st_shndx == SHN_UNDEF)
				continue;
			if (!is_named(texts + symbols[j].st_name))
				fail_msg("it also exports %s", texts + symbols[j].st_name);
			count++;
		}
	}
	assert_int_equal(count, NAMES);
	free(octets);
}

static void inject(uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct segment segment = {.local_port = 25,
	                          .peer_port = 40000,
	                          .seq = seq,
	                          .ack = ack,
	                          .flags = flags,
	                          .window = 65535};
	uint8_t packet[PACKET_BYTES_MAX];

	assert_int_equal(api.pc_input(packet, packet_build(packet, false, &segment)), 0);
}

static void test_handshake(void **state)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(25)};
	struct sockaddr_storage peer;
	uint8_t packet[PACKET_BYTES_MAX];
	struct segment segment;
	struct pc_info info;
	int64_t left, bytes;
	int listener, conn;

	(void)state;
	inet_pton(AF_INET, PACKET_LOCAL4, &local.sin_addr);
	assert_int_equal(api.pc_reset("mtu=1500,tcp_rto_min_ms=200,wscale=8"), 0);
	assert_int_equal(api.pc_add_address((struct sockaddr *)&local, 24), 0);
	listener = api.pc_listen((struct sockaddr *)&local, 1);
	assert_true(listener > 0);
	inject(FLAG_SYN, 1000, 0);
	bytes = api.pc_output(packet, sizeof(packet), &left);
	assert_true(bytes > 0);
	assert_int_equal(left, api.pc_now_us());
	assert_null(packet_parse(packet, (size_t)bytes, false, &segment));
	assert_int_equal(segment.flags, FLAG_SYN | FLAG_ACK);
	inject(FLAG_ACK, 1001, segment.seq + 1);
	conn = api.pc_accept(listener, &peer);
	assert_true(conn > 0);
	assert_int_equal(api.pc_info(conn, &info), 0);
	assert_int_equal(info.state, 1);
	assert_int_equal(api.pc_close(conn), 0);
	assert_int_equal(api.pc_close(conn), -EBADF);
}

static void test_handles_that_are_none(void **state)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(25)};
	struct sockaddr_storage name;
	struct pc_info info;
	uint8_t octets[8] = {0};
	int listener;

	(void)state;
	inet_pton(AF_INET, PACKET_LOCAL4, &local.sin_addr);
	assert_int_equal(api.pc_reset(""), 0);
	assert_int_equal(api.pc_listen((struct sockaddr *)&local, 1), -EADDRNOTAVAIL);
	assert_int_equal(api.pc_add_address((struct sockaddr *)&local, 33), -EINVAL);
	assert_int_equal(api.pc_add_address((struct sockaddr *)&local, 24), 0);
	assert_int_equal(api.pc_add_address((struct sockaddr *)&local, 24), -EEXIST);
	listener = api.pc_listen((struct sockaddr *)&local, 1);
	assert_int_equal(api.pc_listen((struct sockaddr *)&local, 1), -EADDRINUSE);
	assert_int_equal(api.pc_read(0, octets, 1), -EBADF);
	assert_int_equal(api.pc_write(-1, octets, 1, false), -EBADF);
	assert_int_equal(api.pc_read(listener, octets, 1), -ENOTCONN);
	assert_int_equal(api.pc_accept(listener, &name), -EAGAIN);
	assert_int_equal(api.pc_accept(listener + 1, &name), -EBADF);
	assert_int_equal(api.pc_local(listener, &name), 0);
	assert_int_equal(api.pc_set(listener, "no_such=1"), -EINVAL);
	assert_int_equal(api.pc_set(listener, "mss=x"), -EINVAL);
	assert_int_equal(api.pc_info(listener, &info), 0);
	assert_int_equal(info.state, 10);
	assert_int_equal(api.pc_close(listener), 0);
	assert_int_equal(api.pc_close(listener), -EBADF);
	/* Rubbish is counted and dropped. */
	assert_int_equal(api.pc_input(octets, 0), 0);
	assert_int_equal(api.pc_input(octets, sizeof(octets)), 0);
	assert_int_equal(api.pc_output(octets, sizeof(octets), NULL), -EAGAIN);
}

static void test_time_moves_by_advance_alone(void **state)
{
	int64_t start;

	(void)state;
	assert_int_equal(api.pc_reset(""), 0);
	start = api.pc_now_us();
	assert_true(start > 0);
	assert_int_equal(api.pc_now_us(), start);
	assert_int_equal(api.pc_next_deadline_us(), INT64_MAX);
	assert_int_equal(api.pc_advance(start + 7), 0);
	assert_int_equal(api.pc_now_us(), start + 7);
	assert_int_equal(api.pc_advance(start), -EINVAL);
}

static void test_options_by_name(void **state)
{
	(void)state;
	assert_int_equal(api.pc_reset(NULL), 0);
	assert_int_equal(api.pc_reset("seed=7, timestamps=off,sack=0,cookies_only"), 0);
	assert_int_equal(api.pc_reset("tcp_initial_window_segments=3,initial_window=4"), 0);
	assert_int_equal(api.pc_reset("no_such=1"), -EINVAL);
	assert_int_equal(api.pc_reset("mtu"), -EINVAL);
	assert_int_equal(api.pc_reset("mtu=100"), -EINVAL);
	assert_int_equal(api.pc_reset("mtu=15x0"), -EINVAL);
	assert_int_equal(api.pc_reset("window_scale=15"), -EINVAL);
	assert_int_equal(api.pc_reset("window_scale=14"), 0);
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exports_exactly_the_api),
	    cmocka_unit_test(test_handshake),
	    cmocka_unit_test(test_handles_that_are_none),
	    cmocka_unit_test(test_time_moves_by_advance_alone),
	    cmocka_unit_test(test_options_by_name),
	};

	if (count != 2)
		return 2;
	path = arguments[1];
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (object == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
#define FUNCTION(name) load(#name, &api.name);
#include "functions.def"
	return cmocka_run_group_tests(tests, NULL, NULL);
}
