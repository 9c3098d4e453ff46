/* mgmt.h - everything postern-mgmtd consists of. */
#ifndef MGMT_MGMT_H
#define MGMT_MGMT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"

#include "mgmt/asker.h"
#include "mgmt/events_file.h"
#include "mgmt/history.h"
#include "mgmt/http.h"
#include "mgmt/intake.h"
#include "mgmt/lists_load.h"
#include "mgmt/publisher.h"
#include "mgmt/rule_names.h"
#include "mgmt/rules_load.h"
#include "mgmt/store.h"

struct mgmt {
	const char *config_path;
	struct config config;
	struct store store;
	struct history history;
	struct rule_names names;
	struct events_file events_file;
	struct intake intake;
	struct publisher publisher;
	struct asker asker;
	struct rules_load rules, shadow;
	struct lists_load lists;
	struct http *control, *metrics;
	uint64_t start_wall_us;
	bool loaded; /* rules and lists were looked at since the start */
};

/* Reads the configuration again, then rules and lists. False when the configuration is wrong. */
bool mgmt_reload(struct mgmt *mgmt, struct config_error *out_error);

#endif
