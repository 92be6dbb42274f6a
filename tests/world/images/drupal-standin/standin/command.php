<?php
// drupal-standin-install: the installation from the command line, for tests that do not want to fill in forms.
namespace Standin;

require __DIR__ . '/site.php';
require __DIR__ . '/install.php';

$options = ['db-host' => 'localhost', 'db-port' => '5432', 'db-user' => 'postgres', 'db-password' => '', 'db' => 'drupal', 'prefix' => '',
    'profile' => 'standard', 'site-name' => 'Drupal', 'account-name' => 'admin', 'account-password' => 'admin', 'mail' => 'admin@example.com'];
for ($i = 1; $i < $argc; $i += 2) {
    $name = substr($argv[$i], 2);
    if (!str_starts_with($argv[$i], '--') || !isset($options[$name], $argv[$i + 1])) {
        fwrite(STDERR, "drupal-standin-install: unknown or without its value: $argv[$i]\nknown: --" . implode(' --', array_keys($options)) . "\n");
        exit(2);
    }
    $options[$name] = $argv[$i + 1];
}
fail(settings() ? [] : folder_errors());
$info = ['database' => $options['db'], 'username' => $options['db-user'], 'password' => $options['db-password'],
    'prefix' => $options['prefix'], 'host' => $options['db-host'], 'port' => $options['db-port']];
[$db, $errors] = examine($info);
fail($errors);
// As with the installer's pages: the second instance of a database is connected to what is there.
$there = $db->installed();
if (!settings()) {
    write_settings($info);
}
if ($there) {
    echo "Drupal already installed\n";
    exit(0);
}
install_tables($db, $options['profile']);
finish($db, $options['site-name'], $options['mail'], $options['account-name'], $options['account-password']);
echo "Congratulations, you installed Drupal!\n";

function fail(array $errors): void
{
    foreach ($errors as $error) {
        fwrite(STDERR, "$error\n");
    }
    if ($errors) {
        exit(1);
    }
}
