/* replay_main.c - runs a fuzz target over every file of the folders named on the command line. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Copies to an exactly sized block, so that reads past the end show under a sanitizer. */
static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		exit(1);
	}

	static uint8_t content[1 << 20];
	size_t bytes = fread(content, 1, sizeof(content), file);
	fclose(file);

	uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
	if (exact == NULL)
		exit(1);
	for (size_t i = 0; i < bytes; i++)
		exact[i] = content[i];
	LLVMFuzzerTestOneInput(exact, bytes);
	free(exact);
}

int main(int argc, char **argv)
{
	int count = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		if (folder == NULL)
			continue;
		for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
			char path[4096];
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			replay_file(path);
			count++;
		}
		closedir(folder);
	}
	printf("%d inputs replayed\n", count);
	return 0;
}
