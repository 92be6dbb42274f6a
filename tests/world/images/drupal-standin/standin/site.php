<?php
// A site: its settings file, its database, its state. Nothing here writes a page.
namespace Standin;

const WEB = '/opt/drupal/web';
const SITE = WEB . '/sites/default';

function major(): int
{
    return (int) (getenv('DRUPAL_VERSION') ?: 10);
}

/** What a settings.php says, null when there is none or it names no database. */
function settings(): ?array
{
    $file = SITE . '/settings.php';
    if (!is_file($file)) {
        return null;
    }
    $databases = $settings = $config = [];
    $app_root = WEB;
    $site_path = 'sites/default';
    include $file;
    $database = $databases['default']['default'] ?? null;
    return $database ? ['database' => $database, 'hash_salt' => $settings['hash_salt'] ?? ''] : null;
}

class Database
{
    public \PDO $pdo;
    private string $prefix;

    /** @throws \PDOException when the server or the database is not there, or does not let us in */
    public function __construct(array $info)
    {
        $dsn = sprintf('pgsql:host=%s;port=%s;dbname=%s', $info['host'] ?? 'localhost', $info['port'] ?? 5432, $info['database'] ?? 'template1');
        $this->pdo = new \PDO($dsn, $info['username'] ?? '', $info['password'] ?? '', [\PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION]);
        $this->prefix = $info['prefix'] ?? '';
    }

    /** Runs SQL in which {name} is a table, whose name gets the site's prefix. */
    public function run(string $sql, array $values = []): \PDOStatement
    {
        $statement = $this->pdo->prepare(preg_replace('/\{(\w+)\}/', '"' . $this->prefix . '$1"', $sql));
        foreach (array_values($values) as $i => $value) {
            // Drupal keeps serialised values as bytes.
            $bytes = is_array($value);
            $statement->bindValue($i + 1, $bytes ? $value[0] : $value, $bytes ? \PDO::PARAM_LOB : \PDO::PARAM_STR);
        }
        $statement->execute();
        return $statement;
    }

    public function one(string $sql, array $values = []): mixed
    {
        $value = $this->run($sql, $values)->fetchColumn();
        return is_resource($value) ? stream_get_contents($value) : $value;
    }

    public function has(string $table): bool
    {
        return (bool) $this->one('SELECT to_regclass(?) IS NOT NULL', ['"' . $this->prefix . $table . '"']);
    }

    public function keep(string $collection, string $name, mixed $value): void
    {
        $this->run(
            'INSERT INTO {key_value} (collection, name, value) VALUES (?, ?, ?)
             ON CONFLICT (collection, name) DO UPDATE SET value = excluded.value',
            [$collection, $name, [serialize($value)]],
        );
    }

    public function kept(string $collection, string $name): mixed
    {
        $value = $this->one('SELECT value FROM {key_value} WHERE collection = ? AND name = ?', [$collection, $name]);
        return $value === false ? null : unserialize($value);
    }

    public function config(string $name): array
    {
        $data = $this->one('SELECT data FROM {config} WHERE collection = \'\' AND name = ?', [$name]);
        return $data === false ? [] : unserialize($data);
    }

    public function configure(string $name, array $data): void
    {
        $this->run(
            'INSERT INTO {config} (collection, name, data) VALUES (\'\', ?, ?)
             ON CONFLICT (collection, name) DO UPDATE SET data = excluded.data',
            [$name, [serialize($data)]],
        );
    }

    /** Has an installer come to its end in this database, with this prefix? */
    public function installed(): bool
    {
        return $this->has('key_value') && $this->kept('state', 'install_task') === 'done';
    }
}

function random(int $bytes): string
{
    return rtrim(strtr(base64_encode(random_bytes($bytes)), '+/', '-_'), '=');
}

function uuid(): string
{
    $hex = bin2hex(random_bytes(16));
    $hex[12] = '4';
    $hex[16] = '89ab'[random_int(0, 3)];
    return preg_replace('/^(.{8})(.{4})(.{4})(.{4})(.{12})$/', '$1-$2-$3-$4-$5', $hex);
}
