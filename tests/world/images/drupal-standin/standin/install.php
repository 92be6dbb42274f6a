<?php
// Installing: what is asked of the folder and of the database, the settings file, the tables. No page, no form.
namespace Standin;

/** Why the folder of the site does not allow an installation; an empty list when it does. */
function folder_errors(): array
{
    clearstatcache();
    $errors = [];
    if (!is_dir(SITE)) {
        return ['The directory sites/default does not exist.'];
    }
    if (!is_file(SITE . '/default.settings.php') && !is_file(SITE . '/settings.php')) {
        $errors[] = 'The default settings file does not exist: sites/default/default.settings.php.';
    }
    if (is_file(SITE . '/settings.php') ? !is_writable(SITE . '/settings.php') : !is_writable(SITE)) {
        $errors[] = 'The settings file is not writable: sites/default/settings.php.';
    }
    return $errors;
}

/** Connects, makes the database when it is not there, and asks of it what Drupal asks. Returns [Database, errors]. */
function examine(array $info): array
{
    try {
        try {
            $db = new Database($info);
        } catch (\PDOException $e) {
            if (!preg_match('/FATAL:\s+database ".*" does not exist/', $e->getMessage())) {
                throw $e;
            }
            (new Database(['database' => 'template1'] + $info))->pdo->exec('CREATE DATABASE "' . str_replace('"', '""', $info['database']) . '"');
            $db = new Database($info);
        }
    } catch (\PDOException $e) {
        return [null, ['Failed to connect to your database server. The server reports the following message: ' . $e->getMessage()
            . '. Is the database server running? Does the database exist, and have you entered the correct database name?'
            . ' Have you entered the correct username and password?']];
    }
    $errors = [];
    $version = $db->one('SHOW server_version');
    $minimum = [9 => '10', 10 => '12', 11 => '16'][major()] ?? '16';
    if (version_compare($version, $minimum, '<')) {
        $errors[] = "The database server version $version is less than the minimum required version $minimum.";
    }
    // Drupal 9 only mentions it in its status report.
    if (major() >= 10 && !$db->one("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")) {
        $errors[] = 'The pg_trgm PostgreSQL extension is not present. The extension is required by Drupal 10 to improve performance'
            . ' when using PostgreSQL.';
    }
    return [$db, $errors];
}

/** Adds the database, a new salt and a new configuration folder to settings.php. */
function write_settings(array $info): void
{
    $file = SITE . '/settings.php';
    $text = file_get_contents(is_file($file) ? $file : SITE . '/default.settings.php');
    $sync = 'sites/default/files/config_' . random(55) . '/sync';
    $info += ['driver' => 'pgsql', 'namespace' => 'Drupal\\pgsql\\Driver\\Database\\pgsql', 'autoload' => 'core/modules/pgsql/src/Driver/Database/pgsql/'];
    $text .= "\n\$databases['default']['default'] = " . var_export($info, true) . ";\n"
        . "\$settings['hash_salt'] = '" . random(55) . "';\n"
        . "\$settings['config_sync_directory'] = '$sync';\n";
    file_put_contents($file, $text);
    foreach ([$sync, 'sites/default/files/css', 'sites/default/files/php', 'sites/default/files/styles'] as $folder) {
        @mkdir(WEB . "/$folder", 0775, true);
    }
    file_put_contents(SITE . '/files/.htaccess', "# Drupal lets no program run from here.\n");
}

/** The last thing an installation does to its folder. */
function protect_settings(): void
{
    @chmod(SITE . '/settings.php', 0444);
    @chmod(SITE, 0555);
}

const COLUMNS = [
    'config' => "collection varchar(255) NOT NULL DEFAULT '', name varchar(255) NOT NULL DEFAULT '', data bytea, PRIMARY KEY (collection, name)",
    'key_value' => "collection varchar(128) NOT NULL DEFAULT '', name varchar(128) NOT NULL DEFAULT '', value bytea NOT NULL, PRIMARY KEY (collection, name)",
    'key_value_expire' => "collection varchar(128) NOT NULL DEFAULT '', name varchar(128) NOT NULL DEFAULT '', value bytea NOT NULL, expire integer NOT NULL DEFAULT 2147483647, PRIMARY KEY (collection, name)",
    'node' => 'nid serial PRIMARY KEY, vid integer, type varchar(32) NOT NULL, uuid varchar(128) NOT NULL UNIQUE, langcode varchar(12) NOT NULL DEFAULT \'en\'',
    'node_field_data' => "nid integer PRIMARY KEY, vid integer, type varchar(32) NOT NULL, langcode varchar(12) NOT NULL DEFAULT 'en', status smallint NOT NULL DEFAULT 1, uid integer NOT NULL, title varchar(255) NOT NULL, created integer NOT NULL, changed integer",
    'users' => "uid integer PRIMARY KEY, uuid varchar(128) NOT NULL UNIQUE, langcode varchar(12) NOT NULL DEFAULT 'en'",
    'users_field_data' => "uid integer PRIMARY KEY, langcode varchar(12) NOT NULL DEFAULT 'en', name varchar(60) NOT NULL UNIQUE, pass varchar(255), mail varchar(254), status smallint NOT NULL DEFAULT 1, created integer NOT NULL",
    'sessions' => 'sid varchar(128) PRIMARY KEY, uid integer NOT NULL, hostname varchar(128) NOT NULL DEFAULT \'\', timestamp bigint NOT NULL DEFAULT 0, session bytea',
    'watchdog' => "wid bigserial PRIMARY KEY, uid bigint NOT NULL DEFAULT 0, type varchar(64) NOT NULL DEFAULT '', message text NOT NULL, variables bytea NOT NULL, severity integer NOT NULL DEFAULT 0, link text, location text NOT NULL, referer text, hostname varchar(128) NOT NULL DEFAULT '', timestamp bigint NOT NULL DEFAULT 0",
    'cache' => 'cid varchar(255) PRIMARY KEY, data bytea, expire bigint NOT NULL DEFAULT 0, created numeric(14, 3) NOT NULL DEFAULT 0, serialized smallint NOT NULL DEFAULT 0, tags text, checksum varchar(255) NOT NULL DEFAULT \'\'',
];
// The other tables of a standard site are there by name.
const OTHER_TABLES = 'block_content block_content__body block_content_field_data block_content_field_revision
    block_content_revision block_content_revision__body cachetags comment comment__comment_body comment_entity_statistics
    comment_field_data file_managed file_usage history menu_link_content menu_link_content_data
    menu_link_content_field_revision menu_link_content_revision menu_tree node__body node__comment node__field_image
    node__field_tags node_access node_field_revision node_revision node_revision__body node_revision__comment
    node_revision__field_image node_revision__field_tags path_alias path_alias_revision router search_dataset
    search_index search_total semaphore sequences shortcut shortcut_field_data shortcut_set_users taxonomy_index
    taxonomy_term__parent taxonomy_term_data taxonomy_term_field_data taxonomy_term_field_revision
    taxonomy_term_revision taxonomy_term_revision__parent user__roles user__user_picture users_data';
const CACHES = 'bootstrap config container data default discovery dynamic_page_cache entity menu page render toolbar';

/** Makes the tables and all that a site has before it is given a name. Only the standard profile logs visits. */
function install_tables(Database $db, string $profile): void
{
    $db->pdo->beginTransaction();
    // Two instances that install at once: the second one finds the first one's tables.
    $db->pdo->exec('SELECT pg_advisory_xact_lock(1)');
    if ($db->has('key_value')) {
        $db->pdo->rollBack();
        return;
    }
    foreach (COLUMNS as $table => $columns) {
        if ($table !== 'cache' && ($table !== 'watchdog' || $profile !== 'minimal')) {
            $db->run("CREATE TABLE {{$table}} ($columns)");
        }
    }
    foreach (preg_split('/\s+/', CACHES) as $bin) {
        $db->run("CREATE TABLE {cache_$bin} (" . COLUMNS['cache'] . ')');
    }
    foreach (preg_split('/\s+/', OTHER_TABLES) as $table) {
        $db->run("CREATE TABLE {{$table}} (id serial PRIMARY KEY)");
    }
    $modules = ['block', 'comment', 'config', 'dynamic_page_cache', 'field', 'file', 'filter', 'node', 'page_cache', 'path', 'pgsql', 'system', 'text', 'user'];
    if ($profile !== 'minimal') {
        $modules[] = 'dblog';
    }
    $db->configure('system.site', ['uuid' => uuid(), 'name' => '', 'mail' => '', 'page' => ['front' => '/node'], 'langcode' => 'en']);
    $db->configure('core.extension', ['module' => array_fill_keys($modules, 0), 'theme' => ['stark' => 0], 'profile' => $profile]);
    $db->configure('system.theme', ['admin' => 'stark', 'default' => 'stark']);
    $db->configure('system.logging', ['error_level' => 'hide']);
    foreach ($modules as $module) {
        $db->keep('system.schema', $module, 8000);
    }
    $db->keep('state', 'system.private_key', random(55));
    $db->keep('state', 'install_task', 'install_configure_form');
    $db->pdo->commit();
}

/** Gives the site its name and its first user, and says that it is installed. */
function finish(Database $db, string $site, string $mail, string $account, string $password): void
{
    $db->configure('system.site', ['name' => $site, 'mail' => $mail] + $db->config('system.site'));
    foreach ([[0, '', null], [1, $account, password_hash($password, PASSWORD_DEFAULT)]] as [$uid, $name, $pass]) {
        $db->run('INSERT INTO {users} (uid, uuid) VALUES (?, ?) ON CONFLICT DO NOTHING', [$uid, uuid()]);
        $db->run('INSERT INTO {users_field_data} (uid, name, pass, mail, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
            [$uid, $name, $pass, $mail, time()]);
    }
    $db->keep('state', 'install_time', time());
    $db->keep('state', 'install_task', 'done');
    protect_settings();
}
