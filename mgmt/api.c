/* api.c - finds the handler of a request. */
#include "mgmt/api.h"

#include <string.h>

struct route {
	const char *method, *path;
	void (*handler)(struct mgmt *mgmt, struct http_request *request, const char *rest);
};

static const struct route routes[] = {
#define ROUTE(method, path, handler, help) {method, path, api_##handler},
#include "mgmt/api_routes.def"
};

/* The rest of `path` after a route that ends in '/'; "" after a complete one; NULL when it is
 * another. */
static const char *match(const char *route, const char *path)
{
	size_t len = strlen(route);

	if (strncmp(route, path, len) != 0)
		return NULL;
	if (route[len - 1] == '/')
		return path[len] != '\0' ? path + len : NULL;
	return path[len] == '\0' ? "" : NULL;
}

void api_dispatch(void *mgmt, struct http_request *request)
{
	bool path_known = false;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const char *rest = match(routes[i].path, http_path(request));

		if (rest == NULL)
			continue;
		path_known = true;
		if (strcmp(routes[i].method, http_method(request)) != 0)
			continue;
		routes[i].handler(mgmt, request, rest);
		return;
	}
	if (path_known)
		http_reply_error(request, 405, "%s is not possible on %s", http_method(request),
		                 http_path(request));
	else
		http_reply_error(request, 404, "there is no %s", http_path(request));
}

void api_dispatch_metrics(void *mgmt, struct http_request *request)
{
	if (strcmp(http_method(request), "GET") == 0 && strcmp(http_path(request), "/metrics") == 0)
		api_metrics(mgmt, request, "");
	else
		http_reply_error(request, 404, "only GET /metrics is served here");
}
