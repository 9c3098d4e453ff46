#!/usr/bin/perl
# sa_hits.pl - what SpamAssassin says of messages: a developer's tool.
#
# usage: sa_hits.pl FOLDER LIST RESULTS [SITE]
# LIST names files below FOLDER, one a line. RESULTS gets a line for each that it has none of yet, so that a run that
# was stopped goes on: the name, the points, and NAME=VALUE of every rule that hit, subtests too, with tabs between.
# SITE is a folder of .pre and .cf files read in place of /etc/spamassassin: how other rules come beside the distribution's.
# No network, no learning, no preferences. SpamAssassin keeps some of the first message in a process (a captured text
# in a URI rule): with PROCESSES=each in the environment each message gets a process of its own.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($folder, $list, $results, $site) = @ARGV;
defined $results or die "usage: sa_hits.pl FOLDER LIST RESULTS [SITE]\n";
my $each = ($ENV{PROCESSES} // '') eq 'each';
my $sa = Mail::SpamAssassin->new({local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
                                  post_config_text => "use_bayes 0\nuse_auto_welcomelist 0\n",
                                  defined $site ? (site_rules_filename => $site) : ()});
$sa->init(1);

my %done;
if (open(my $old, '<', $results)) {
	while (<$old>) { $done{(split /\t/)[0]} = 1 }
}
open(my $names, '<', $list) or die "$list: $!\n";
while (my $name = <$names>) {
	chomp $name;
	next if $done{$name};
	if ($each) {
		my $child = fork() // die "fork: $!\n";
		if ($child) { waitpid($child, 0); next }
	}
	judge($name);
	exit 0 if $each;
}

sub judge {
	my ($name) = @_;
	open(my $file, '<:raw', "$folder/$name") or do { warn "$name: $!\n"; return };
	my $text = do { local $/; <$file> };
	my $message = $sa->parse($text, 1);
	my $status = $sa->check($message);
	my $hits = $status->{tests_already_hit};
	open(my $out, '>>', $results) or die "$results: $!\n";
	printf $out "%s\t%s\t%s\n", $name, $status->get_score(),
	    join(' ', map { "$_=$hits->{$_}" } sort grep { $hits->{$_} } keys %$hits);
	$status->finish();
	$message->finish();
}
