/* histogram.h - times in microseconds, kept to about three per cent. */
#ifndef BENCH_COMMON_HISTOGRAM_H
#define BENCH_COMMON_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS        32 /* buckets an octave */
#define HISTOGRAM_BUCKET_COUNT (HISTOGRAM_STEPS * 60)

struct histogram {
	uint64_t count, sum, max;
	uint64_t bucket[HISTOGRAM_BUCKET_COUNT];
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The smallest value that `per_mille` of all are not above, within a bucket's width; 0 when empty.
 */
uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_mille);

#endif
