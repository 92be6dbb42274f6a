# Reads TAP with the parser that Perl's own tests are run by, and says as JSON, a line for each file, what it read.
use strict;
use warnings;
use JSON::PP;
use TAP::Parser;

my $json = JSON::PP->new->canonical->allow_nonref->ascii;
for my $file (@ARGV) {
    open my $handle, '<:encoding(UTF-8)', $file or die "$file: $!";
    my $parser = TAP::Parser->new({ tap => do { local $/; <$handle> } });
    my (@tests, @comments, @unknown);
    while (my $result = $parser->next) {
        if ($result->is_test) {
            push @tests, {
                number      => $result->number,
                ok          => $result->is_actual_ok ? JSON::PP::true : JSON::PP::false,
                directive   => $result->directive,
                description => $result->description,
            };
        }
        elsif ($result->is_yaml)    { $tests[-1]{data} = $result->data }
        elsif ($result->is_comment) { push @comments, $result->comment }
        elsif ($result->is_unknown || $result->is_bailout) { push @unknown, $result->as_string }
    }
    # A parser that is older than version 14 says so, and reads it as the version before, of which it is a form.
    my @errors = grep { !/^TAP specified version 14 but/ } $parser->parse_errors;
    print $json->encode({
        plan => 0 + $parser->tests_planned, tests => \@tests, comments => \@comments, unknown => \@unknown, errors => \@errors,
    }), "\n";
}
