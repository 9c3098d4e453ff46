/* api.h - the JSON API: one handler for each row of api_routes.def. */
#ifndef MGMT_API_H
#define MGMT_API_H

#include "mgmt/http.h"
#include "mgmt/mgmt.h"

/* http_dispatch of the control socket; the context is the struct mgmt. */
void api_dispatch(void *mgmt, struct http_request *request);
/* http_dispatch of the metrics port: GET /metrics and nothing else. */
void api_dispatch_metrics(void *mgmt, struct http_request *request);

#define ROUTE(method, path, handler, help) \
	void api_##handler(struct mgmt *mgmt, struct http_request *request, const char *rest);
#include "mgmt/api_routes.def"

#endif
