/* histogram.c - times in microseconds, kept to about three per cent. */
#include "bench/common/histogram.h"

/* Values below HISTOGRAM_STEPS have a bucket each; above, an octave has HISTOGRAM_STEPS of equal
 * width. */
static uint32_t bucket_of(uint64_t value)
{
	uint32_t octave = 0;

	while (value >> octave >= 2 * HISTOGRAM_STEPS)
		octave++;
	if (value < HISTOGRAM_STEPS)
		return (uint32_t)value;
	return octave * HISTOGRAM_STEPS + (uint32_t)(value >> octave);
}

static uint64_t bucket_top(uint32_t bucket)
{
	if (bucket < 2 * HISTOGRAM_STEPS)
		return bucket;
	uint32_t octave = bucket / HISTOGRAM_STEPS - 1;
	uint64_t step = bucket - octave * HISTOGRAM_STEPS;

	return ((step + 1) << octave) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	uint32_t bucket = bucket_of(value);

	histogram->count++;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->bucket[bucket < HISTOGRAM_BUCKET_COUNT ? bucket : HISTOGRAM_BUCKET_COUNT - 1]++;
}

uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_mille)
{
	uint64_t rank = (histogram->count * per_mille + 999) / 1000, seen = 0;

	if (histogram->count == 0)
		return 0;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
		seen += histogram->bucket[i];
		if (seen >= rank && seen > 0)
			return bucket_top(i) < histogram->max ? bucket_top(i) : histogram->max;
	}
	return histogram->max;
}
