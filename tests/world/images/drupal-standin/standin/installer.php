<?php
// The installer in the browser: language, profile, requirements, database, the site's name; then there is a site.
namespace Standin;

function installer(): never
{
    $post = $_SERVER['REQUEST_METHOD'] === 'POST' ? $_POST : [];
    [$db, $errors] = ($info = settings()) ? examine($info['database']) : [null, []];
    if ($db && $db->installed()) {
        install_page('Drupal already installed', '<ul><li>To start over, you must empty your existing database and copy '
            . '<em>default.settings.php</em> over <em>settings.php</em>.</li><li>View your <a href="/">existing site</a>.</li></ul>');
    }
    $known = array_intersect_key($_GET, ['langcode' => 1, 'profile' => 1]);
    foreach (['langcode' => ['Choose language', ['en' => 'English']],
              'profile' => ['Select an installation profile', ['standard' => 'Standard', 'minimal' => 'Minimal']]] as $key => [$title, $options]) {
        if (isset($options[$known[$key] ?? ''])) {
            continue;
        }
        if (isset($options[$post[$key] ?? ''])) {
            redirect(302, base_url() . '/core/install.php?' . http_build_query($known + [$key => $post[$key]]));
        }
        install_page($title, form(select($key, $options), 'Save and continue'));
    }
    $here = base_url() . '/core/install.php?' . http_build_query($known);

    if (!$db && ($problems = folder_errors())) {
        install_page('Requirements problem', messages($problems) . '<p>Check the messages and <a href="' . h($here) . '">try again</a>.</p>');
    }
    if (!$db || $errors) {
        if ($given = given_database($post)) {
            [$db, $errors] = examine($given);
            if ($db && !$errors) {
                write_settings($given);
                redirect(302, $here);
            }
        }
        install_page('Database configuration', messages($errors) . form(database_fields(), 'Save and continue'));
    }
    install_tables($db, $known['profile']);
    if (isset($post['site_name'])) {
        $account = (array) ($post['account'] ?? []);
        $pass = (array) ($account['pass'] ?? []);
        $errors = array_keys(array_filter([
            'Site name field is required.' => trim($post['site_name']) === '',
            'Username field is required.' => trim($account['name'] ?? '') === '',
            'Password field is required.' => ($pass['pass1'] ?? '') === '',
            'The specified passwords do not match.' => ($pass['pass1'] ?? '') !== ($pass['pass2'] ?? ''),
        ]));
        if (!$errors) {
            finish($db, $post['site_name'], $post['site_mail'] ?? '', $account['name'], $pass['pass1']);
            redirect(302, base_url() . '/');
        }
    }
    install_page('Configure site', messages($errors) . form(
        '<input name="site_name" /><input name="site_mail" /><input name="account[name]" />'
        . '<input type="password" name="account[pass][pass1]" /><input type="password" name="account[pass][pass2]" /><input name="account[mail]" />',
        'Save and continue',
    ));
}

/** As Drupal names the driver's fields: after the driver, whose name is longer in newer releases. */
function driver(): string
{
    return major() < 10 ? 'pgsql' : 'Drupal\\pgsql\\Driver\\Database\\pgsql';
}

function given_database(array $post): ?array
{
    $given = $post['Drupal\\pgsql\\Driver\\Database\\pgsql'] ?? $post['pgsql'] ?? null;
    if (!is_array($given)) {
        return null;
    }
    return array_intersect_key($given, array_flip(['database', 'username', 'password', 'prefix', 'host', 'port']))
        + ['database' => '', 'username' => '', 'password' => '', 'prefix' => '', 'host' => 'localhost', 'port' => '5432'];
}

function database_fields(): string
{
    $fields = '';
    foreach (['database' => '', 'username' => '', 'password' => '', 'host' => 'localhost', 'port' => '5432', 'prefix' => ''] as $name => $value) {
        $fields .= '<input name="' . driver() . "[$name]\" placeholder=\"$name\" value=\"$value\" />";
    }
    return '<input type="hidden" name="driver" value="' . driver() . "\" />$fields";
}

function select(string $name, array $options): string
{
    $html = '';
    foreach ($options as $value => $text) {
        $html .= "<option value=\"$value\">$text</option>";
    }
    return "<select name=\"$name\">$html</select>";
}

function form(string $fields, string $button): string
{
    return "<form method=\"post\" data-drupal-selector=\"install-form\">$fields<input type=\"submit\" name=\"op\" value=\"$button\" /></form>";
}

function messages(array $errors): string
{
    return $errors ? '<div role="contentinfo" aria-label="Error message"><ul>'
        . implode('', array_map(fn ($e) => '<li>' . h($e) . '</li>', $errors)) . '</ul></div>' : '';
}

/** The installer's pages are for one connection each, in the older protocol. */
function install_page(string $title, string $body): never
{
    header('HTTP/1.0 200 OK');
    header('Connection: close');
    header('Content-Type: text/html; charset=UTF-8');
    header('Cache-Control: no-cache, private');
    echo page($title, 'Drupal', $body);
    exit;
}
