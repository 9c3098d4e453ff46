/* log.h - one line to standard error for each thing an operator should know. */
#ifndef MGMT_LOG_H
#define MGMT_LOG_H

/* As syslog(3) and sd-daemon(3) number them. */
enum log_priority { LOG_PRIORITY_ERROR = 3, LOG_PRIORITY_WARNING = 4, LOG_PRIORITY_INFO = 6 };

/* `program` is kept. Lines carry "<priority>" when standard error is not a terminal, for systemd.
 */
void log_open(const char *program);
/* One line, without the line end; line ends inside become spaces. */
void log_line(enum log_priority priority, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_PRIORITY_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_PRIORITY_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_PRIORITY_INFO, __VA_ARGS__)

#endif
