/* eval_mime.c - eval functions about the parts of a message. */
#include "classifier/eval.h"

int32_t eval_check_for_mime(const struct eval_call *call)
{
	const struct fact_mime *m = &call->facts->mime;
	const struct {
		const char *name;
		uint32_t value;
	} known[] = {
	    {"mime_attachment", m->attachment_count},
	    {"mime_bad_iso_charset", m->bad_iso_charset},
	    {"mime_base64_count", m->base64_count},
	    {"mime_base64_encoded_text", m->base64_encoded_text},
	    {"mime_body_html_count", m->html_count},
	    {"mime_body_text_count", m->text_count},
	    {"mime_missing_boundary", m->missing_boundary},
	    {"mime_multipart_alternative", m->multipart_alternative},
	    {"mime_qp_count", m->qp_bytes > 0 ? m->qp_escaped_count : m->quoted_printable_count},
	    {"mime_qp_long_line", m->qp_long_line},
	    {"mime_ascii_text_illegal", m->ascii_illegal_count},
	    {"mime_qp_ratio", m->qp_bytes > 0 ? m->qp_escaped_count : 0},
	    {"mime_text_unicode_ratio", m->plain_bytes > 0 ? m->unicode_escapes : 0}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (bytes_equal(eval_text(call, 0), bytes_text(known[i].name)))
			return known[i].value > 0;
	return 0;
}

static bool declares_html(const struct eval_call *call)
{
	return bytes_starts_nocase(eval_header(call, 0), BYTES("text/html"));
}

int32_t eval_check_for_mime_html(const struct eval_call *call)
{
	return declares_html(call) || call->facts->mime.html_count > 0;
}

int32_t eval_check_for_mime_html_only(const struct eval_call *call)
{
	return declares_html(call) ||
	       (call->facts->mime.html_count > 0 && call->facts->mime.text_count == 0);
}

int32_t eval_check_mime_multipart_ratio(const struct eval_call *call)
{
	const struct fact_mime *m = &call->facts->mime;
	double ratio = 1;

	if (m->has_last_text && m->has_last_html && m->last_html_bytes > 0)
		ratio = (double)m->last_text_bytes / (double)m->last_html_bytes;
	return ratio >= eval_number(call, 0) && ratio < eval_number(call, 1);
}

int32_t eval_check_msg_parse_flags(const struct eval_call *call)
{
	const struct fact_flags *f = &call->facts->flags;
	const struct {
		const char *name;
		bool value;
	} known[] = {{"truncated_header", f->truncated_header},
	             {"missing_head_body_separator", f->missing_head_body_separator},
	             {"missing_mime_head_body_separator", f->missing_mime_head_body_separator},
	             {"missing_mime_headers", f->missing_mime_headers},
	             {"mime_epilogue_exists", f->mime_epilogue_exists}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (bytes_equal(eval_text(call, 0), bytes_text(known[i].name)))
			return known[i].value;
	return 0;
}

int32_t eval_check_uri_truncated(const struct eval_call *call)
{
	return call->facts->flags.uri_truncated;
}

int32_t eval_check_for_ascii_text_illegal(const struct eval_call *call)
{
	return call->facts->mime.ascii_illegal_count > 0;
}

int32_t eval_check_abundant_unicode_ratio(const struct eval_call *call)
{
	const struct fact_mime *m = &call->facts->mime;
	double ratio = m->plain_bytes > 0 ? (double)m->unicode_escapes / (double)m->plain_bytes : 0;

	return ratio >= eval_number(call, 0);
}

int32_t eval_check_qp_ratio(const struct eval_call *call)
{
	const struct fact_mime *m = &call->facts->mime;
	double ratio = m->qp_bytes > 0 ? (double)m->qp_escaped_count / (double)m->qp_bytes : 0;

	return ratio >= eval_number(call, 0);
}

/* Children of a multipart/alternative that are no form of the text. */
int32_t eval_check_ma_non_text(const struct eval_call *call)
{
	const struct facts *facts = call->facts;

	for (uint32_t i = 0; i < facts->part_count; i++) {
		if (!bytes_equal(facts->part[i].type, BYTES("multipart/alternative")))
			continue;
		for (uint32_t k = i + 1; k < facts->part[i].behind && k < facts->part_count; k++) {
			const struct fact_part *part = &facts->part[k];

			if (part->parent == i && part->type.len > 0 &&
			    !bytes_equal(part->type, BYTES("multipart/related")) &&
			    !bytes_equal(part->type, BYTES("application/rtf")) &&
			    !bytes_starts_nocase(part->type, BYTES("text/")))
				return 1;
		}
	}
	return 0;
}

int32_t eval_check_base64_length(const struct eval_call *call)
{
	const struct facts *facts = call->facts;
	uint32_t longest = 0;

	for (uint32_t i = 0; i < facts->part_count; i++) {
		const struct fact_part *part = &facts->part[i];

		if (part->is_leaf && part->is_base64 && part->type.len > 0 &&
		    !bytes_equal(part->declared_type, BYTES("application/ics")) &&
		    part->line_bytes_max > longest)
			longest = part->line_bytes_max;
	}
	return longest >= eval_number(call, 0) &&
	       (call->eval->argument_count < 2 || longest <= eval_number(call, 1));
}

/* Images of a type ("gif", "png", "jpeg", or "all"), coded in base64. */
static bool is_image(const struct fact_part *part, struct bytes type)
{
	static const char *const names[] = {[FACT_IMAGE_NONE] = "",
	                                    [FACT_IMAGE_GIF] = "gif",
	                                    [FACT_IMAGE_PNG] = "png",
	                                    [FACT_IMAGE_JPEG] = "jpeg"};

	return part->image != FACT_IMAGE_NONE &&
	       (bytes_equal(type, BYTES("all")) ||
	        bytes_equal(type, bytes_text(names[part->image])));
}

static double image_area(const struct eval_call *call, struct bytes type)
{
	double area = 0;

	for (uint32_t i = 0; i < call->facts->part_count; i++) {
		const struct fact_part *part = &call->facts->part[i];

		if (is_image(part, type))
			area += (double)part->image_width * part->image_height;
	}
	return area;
}

static bool within(const struct eval_call *call, uint32_t argument, double value)
{
	return value >= eval_number(call, argument) &&
	       (call->eval->argument_count <= argument + 1 ||
	        value <= eval_number(call, argument + 1));
}

int32_t eval_image_count(const struct eval_call *call)
{
	double count = 0;

	for (uint32_t i = 0; i < call->facts->part_count; i++)
		count += is_image(&call->facts->part[i], eval_text(call, 0));
	return within(call, 1, count);
}

int32_t eval_pixel_coverage(const struct eval_call *call)
{
	return within(call, 1, image_area(call, eval_text(call, 0)));
}

int32_t eval_image_to_text_ratio(const struct eval_call *call)
{
	const struct text *body = eval_own_text(call);
	double area = image_area(call, eval_text(call, 0)), length = 0;

	for (uint32_t i = 0; i < body->segment_count; i++)
		length += (double)body->segments[i].len;
	if (length == 0 || area == 0)
		return 0;
	return length / area >= eval_number(call, 1) && length / area < eval_number(call, 2);
}

int32_t eval_image_size_exact(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->part_count; i++) {
		const struct fact_part *part = &call->facts->part[i];

		if (is_image(part, eval_text(call, 0)) && part->image_width > 0 &&
		    part->image_height == eval_number(call, 1) &&
		    part->image_width == eval_number(call, 2))
			return 1;
	}
	return 0;
}

int32_t eval_image_size_range(const struct eval_call *call)
{
	uint32_t given = call->eval->argument_count;

	for (uint32_t i = 0; i < call->facts->part_count; i++) {
		const struct fact_part *part = &call->facts->part[i];

		if (is_image(part, eval_text(call, 0)) && part->image_width > 0 &&
		    part->image_height > 0 && part->image_height >= eval_number(call, 1) &&
		    part->image_width >= eval_number(call, 2) &&
		    (given < 4 || part->image_height <= eval_number(call, 3)) &&
		    (given < 5 || part->image_width <= eval_number(call, 4)))
			return 1;
	}
	return 0;
}

static bool has_size(const struct fact_part *part)
{
	return part->image != FACT_IMAGE_NONE && part->image_width > 0 && part->image_height > 0;
}

int32_t eval_image_named(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->part_count; i++)
		if (has_size(&call->facts->part[i]) &&
		    bytes_equal(call->facts->part[i].name, eval_text(call, 0)))
			return 1;
	return 0;
}
