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
	$status->finish();
	$message->finish();
}
