#!/usr/bin/perl
# dump_texts.pl - writes the texts SpamAssassin's rules see, in the record format of texts_dump.c.
# Usage: dump_texts.pl SELECTORS FILE... ; without SELECTORS ("-") the selectors of the rules are printed instead.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($selector_file, @files) = @ARGV;
my $sa = Mail::SpamAssassin->new({
	local_tests_only    => 1,
	dont_copy_prefs     => 1,
	userprefs_filename  => '/dev/null',
	post_config_text    => "use_bayes 0\n",
});
$sa->init(1);

if ($selector_file eq '-') {
	my %seen = map { $_ => 1 } values %{$sa->{conf}->{test_opt_header}};
	delete $seen{$_} for grep { !/^[!-9;-~]+(?::\w+)*$/ } keys %seen;
	print "$_\n" for sort keys %seen;
	exit 0;
}

open(my $handle, '<', $selector_file) or die "$selector_file: $!";
chomp(my @selectors = <$handle>);
binmode(STDOUT);

# Plug-ins keep what they found in the status; these only need to know where the main object is.
require Mail::SpamAssassin::Plugin::MIMEEval;
require Mail::SpamAssassin::Plugin::HeaderEval;
require Mail::SpamAssassin::Plugin::ImageInfo;
my %plugin = map { $_ => bless({main => $sa}, "Mail::SpamAssassin::Plugin::$_") } qw(MIMEEval HeaderEval ImageInfo);

sub number { my $n = shift; return defined $n ? sprintf('%.6g', $n) : '-'; }
sub joined { my $list = shift; return join("\x1f", map { my $s = $_; utf8::encode($s) if utf8::is_utf8($s); $s } @{$list || []}); }

# What rules ask beyond the texts, one fact a line, as texts_dump.c writes them.
sub facts {
	my ($status, $message) = @_;
	my @out;
	my $n = 0;
	for my $html (@{$status->{html_all} || []}) {
		my $p = "html$n.";
		push @out, $p . "$_ " . number($html->{$_}) for qw(length html_length non_space_len image_area min_size max_size
			bad_tag_ratio non_element_ratio closed_extra_ratio obfuscation_ratio backhair_count);
		push @out, $p . "$_ " . ($html->{$_} ? 1 : 0) for qw(embeds form_action_mailto font_face_bad font_low_contrast font_invalid_color);
		push @out, $p . 'inside ' . join(' ', map { "$_=$html->{inside}{$_}" } sort keys %{$html->{inside} || {}});
		push @out, $p . "$_ " . joined($html->{$_}) for qw(comment title anchor);
		push @out, $p . 'iframe ' . (grep({ $_->{types}{iframe} } values %{$html->{uri_detail} || {}}) ? 1 : 0);
		$n++;
	}
	$plugin{MIMEEval}->_check_attachments($status);
	push @out, "$_ " . number($status->{$_}) for qw(mime_base64_count mime_attachment mime_base64_encoded_text
		mime_body_html_count mime_body_text_count mime_multipart_alternative mime_multipart_ratio mime_qp_count
		mime_qp_ratio mime_qp_long_line mime_ascii_text_illegal mime_text_unicode_ratio mime_bad_iso_charset);
	push @out, 'base64_length ' . number($plugin{MIMEEval}->_check_base64_length($message));
	push @out, "flag.$_ " . (defined $message->{$_} ? 1 : 0) for qw(truncated_header missing_head_body_separator
		missing_mime_head_body_separator missing_mime_headers mime_epilogue_exists);
	$plugin{ImageInfo}->_get_images($status);
	push @out, "image.$_ " . number($status->{imageinfo}{$_}) for qw(count_gif count_png count_jpeg pc_gif pc_png pc_jpeg);
	$plugin{HeaderEval}->_check_date_diff($status);
	push @out, 'date_diff ' . number($status->{date_diff}), 'date ' . ($status->{date_header_time} // '-');
	push @out, "$_ " . number($status->{$_}) for qw(num_relays_trusted num_relays_untrusted num_relays_unparseable);
	push @out, 'body_length ' . number($message->{pristine_body_length});
	for my $part ($message->find_parts(qr/./)) {
		my ($type, $rendered) = $part->rendered();
		push @out, join(' ', 'part', $part->{type}, $part->is_leaf() ? 1 : 0, $type // '-', defined $rendered ? length $rendered : '-',
			$part->{name} // '');
		for my $name ('Content-Type', 'Content-Disposition', 'Content-Transfer-Encoding', 'Content-ID') {
			push @out, "field $name: " . ($part->get_header($name) // "(none)\n");
			push @out, "raw $name: " . ($part->raw_header($name) // "(none)\n");
		}
	}
	return join("\n", map { my $s = $_; utf8::encode($s) if utf8::is_utf8($s); $s } @out) . "\n";
}

sub rec {
	my ($id, $type, $key, $data) = @_;
	utf8::encode($data) if utf8::is_utf8($data);
	print pack('VCCV', $id, $type, length $key, length $data), $key, $data;
}

for my $id (0 .. $#files) {
	open(my $file, '<:raw', $files[$id]) or die "$files[$id]: $!";
	my $text = do { local $/; <$file> };
	my $message = $sa->parse($text, 1);
	my $status = Mail::SpamAssassin::PerMsgStatus->new($sa, $message);
	# What check() does before it runs rules.
	$message->delete_header('X-Spam-.*');
	$status->extract_message_metadata();
	rec($id, 0, 'body', $_) for @{$status->get_decoded_stripped_body_text_array()};
	rec($id, 1, 'rawbody', $_) for @{$status->get_decoded_body_text_array()};
	rec($id, 2, 'uri', $_) for $status->get_uri_list();
	rec($id, 3, 'full', $message->get_pristine());
	for my $selector (@selectors) {
		my @values = $status->get($selector) or next;
		rec($id, 4, $selector, join($values[0] =~ /\n\z/ ? '' : "\n", @values));
	}
	rec($id, 5, 'facts', facts($status, $message));
	$status->finish();
	$message->finish();
}
