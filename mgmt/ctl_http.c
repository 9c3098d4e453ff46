/* ctl_http.c - posternctl's requests over the Unix socket, by libcurl. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/config.h"

#include "mgmt/ctl.h"

#define URL_BYTES 2048

struct answer {
	const struct ctl *ctl;
	CURL *curl;
	char *text;
	size_t bytes;
	/* Of a stream: called with each complete line. */
	void (*take)(const struct ctl *ctl, const char *line);
};

/* The daemon's socket: as given, or of the configuration given, or of the default one, or the
 * default. */
static const char *socket_path(const struct ctl *ctl)
{
	static struct config config;
	struct config_error error;
	const char *path = ctl->config != NULL ? ctl->config : "/etc/postern/postern.conf";

	if (ctl->socket != NULL)
		return ctl->socket;
	config_defaults(&config);
	if (ctl->config != NULL || access(path, R_OK) == 0) {
		if (!config_load(path, &config, &error)) {
			ctl_complain("%s", error.text);
			if (ctl->config != NULL)
				return NULL;
			config_defaults(&config);
		}
	}
	return config.control_socket;
}

static size_t append(struct answer *answer, const char *data, size_t bytes)
{
	char *text = realloc(answer->text, answer->bytes + bytes + 1);

	if (text == NULL)
		return 0;
	memcpy(text + answer->bytes, data, bytes);
	answer->text = text;
	answer->bytes += bytes;
	text[answer->bytes] = '\0';
	return bytes;
}

static void give_lines(struct answer *answer)
{
	char *start = answer->text;
	char *end;

	while ((end = strchr(start, '\n')) != NULL) {
		*end = '\0';
		answer->take(answer->ctl, start);
		start = end + 1;
	}
	answer->bytes -= (size_t)(start - answer->text);
	memmove(answer->text, start, answer->bytes + 1);
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
	struct answer *answer = context;
	long status = 0;

	if (append(answer, data, size * count) != size * count)
		return 0;
	curl_easy_getinfo(answer->curl, CURLINFO_RESPONSE_CODE, &status);
	if (answer->take != NULL && status < 300)
		give_lines(answer);
	return size * count;
}

static enum ctl_exit unreachable(const char *path, CURLcode code)
{
	int reason = 0;

	if (code != CURLE_COULDNT_CONNECT) {
		ctl_complain("postern-mgmtd at %s stopped answering: %s; see its log", path,
		             curl_easy_strerror(code));
		return CTL_UNREACHABLE;
	}
	if (access(path, F_OK) != 0)
		reason = errno;
	else if (access(path, R_OK | W_OK) != 0)
		reason = errno;
	if (reason == EACCES)
		ctl_complain(
		    "%s: permission denied; use sudo or become a member of the group postern",
		    path);
	else
		ctl_complain("postern-mgmtd does not answer at %s; start it (systemctl start "
		             "postern-mgmtd) or name its socket with --socket or --config",
		             path);
	return CTL_UNREACHABLE;
}

/* The daemon's reasons, each on its line. */
static void complain_answer(const char *text, long status)
{
	json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
	size_t index;
	json_t *report;

	if (json_object_get(object, "error") == NULL)
		ctl_complain("the daemon answered with status %ld", status);
	else
		ctl_complain("%s", ctl_text(object, "error"));
	json_array_foreach(json_object_get(object, "reports"), index, report)
	{
		fprintf(stderr, "%s:%lld: ", ctl_text(report, "file"), ctl_number(report, "line"));
		fprintf(stderr, "%s\n", ctl_text(report, "text"));
	}
	json_decref(object);
}

static enum ctl_exit perform(const char *method, const char *path, const char *body,
                             struct answer *answer)
{
	const char *socket = socket_path(answer->ctl);
	CURL *curl = curl_easy_init();
	char url[URL_BYTES];
	long status = 0;
	CURLcode code;

	if (socket == NULL || curl == NULL) {
		curl_easy_cleanup(curl);
		return CTL_REFUSED;
	}
	answer->curl = curl;
	snprintf(url, sizeof(url), "http://localhost%s", path);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (strcmp(method, "POST") == 0)
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body != NULL ? body : "{}");
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK)
		return unreachable(socket, code);
	if (status >= 300) {
		if (answer->ctl->json && answer->text != NULL)
			puts(answer->text);
		complain_answer(answer->text, status);
		return CTL_REFUSED;
	}
	return CTL_OK;
}

enum ctl_exit ctl_request(const struct ctl *ctl, const char *method, const char *path, json_t *body,
                          json_t **out_answer)
{
	struct answer answer = {.ctl = ctl};
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	enum ctl_exit status = perform(method, path, text, &answer);

	json_decref(body);
	free(text);
	if (status == CTL_OK) {
		*out_answer = json_loads(answer.text != NULL ? answer.text : "", 0, NULL);
		if (*out_answer == NULL) {
			ctl_complain("the daemon's answer is not JSON; is it of another version?");
			status = CTL_REFUSED;
		}
	}
	free(answer.text);
	return status;
}

enum ctl_exit ctl_request_text(const struct ctl *ctl, const char *path)
{
	struct answer answer = {.ctl = ctl};
	enum ctl_exit status = perform("GET", path, NULL, &answer);

	if (status == CTL_OK && answer.text != NULL)
		fputs(answer.text, stdout);
	free(answer.text);
	return status;
}

enum ctl_exit ctl_request_lines(const struct ctl *ctl, const char *path,
                                void (*take)(const struct ctl *ctl, const char *line))
{
	struct answer answer = {.ctl = ctl, .take = take};
	enum ctl_exit status = perform("GET", path, NULL, &answer);

	free(answer.text);
	return status;
}
