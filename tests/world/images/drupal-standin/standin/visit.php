<?php
// A visit to the site: which page a path is, who may see it, what is logged and what is cached.
namespace Standin;

function visit(): never
{
    $info = settings();
    if ($info === null) {
        redirect(302, '/core/install.php');
    }
    try {
        $db = new Database($info['database']);
        if (!$db->installed()) {
            redirect(302, '/core/install.php');
        }
        (new Visit($db, $info))->serve();
    } catch (\PDOException $e) {
        // A server without the database of the settings has no site yet; one that cannot be asked, or fails, has one.
        if (preg_match('/FATAL:\s+database ".*" does not exist/', $e->getMessage())) {
            redirect(302, '/core/install.php');
        }
        error_log('Uncaught PHP Exception ' . $e->getMessage());
        answer(500, ['Content-Type' => 'text/html; charset=UTF-8', 'Cache-Control' => 'no-cache, private'],
            'The website encountered an unexpected error. Please try again later.');
    }
}

class Visit
{
    private string $path;
    private ?Session $session;
    private string $site;

    public function __construct(private Database $db, private array $info)
    {
        $this->path = rawurldecode(explode('?', $_SERVER['REQUEST_URI'])[0]);
        $this->session = Session::of($db, $info['hash_salt']);
        $this->site = $db->config('system.site')['name'] ?? 'Drupal';
    }

    public function serve(): never
    {
        $path = $this->path;
        if (preg_match('#^/sites/default/files/css/css_[\w-]+\.css$#', $path)) {
            $this->aggregate($path);
        }
        // Drupal's fast 404: a few bytes, and no row in its log.
        if (preg_match('/\.(?:txt|png|gif|jpe?g|css|js|ico|swf|flv|cgi|bat|pl|dll|exe|asp)$/i', $path)) {
            answer(404, ['Content-Type' => 'text/html; charset=UTF-8', 'Cache-Control' => 'no-cache, private'],
                '<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1>'
                . '<p>The requested URL "' . h($_SERVER['REQUEST_URI']) . '" was not found on this server.</p></body></html>');
        }
        $posted = $_SERVER['REQUEST_METHOD'] === 'POST';
        match (true) {
            $posted && $path === '/user/login' => $this->log_in(),
            $posted && $path === '/node/add/article' => $this->add_article(),
            default => $this->look(),
        };
    }

    /** A page that somebody looks at: out of the cache when nobody is logged in and it is there. */
    private function look(): never
    {
        $id = base_url() . $_SERVER['REQUEST_URI'] . ':html';
        if ($this->session === null && ($cached = $this->db->one('SELECT data FROM {cache_page} WHERE cid = ?', [$id])) !== false) {
            [$status, $headers, $body] = unserialize($cached);
            answer($status, ['X-Drupal-Cache' => 'HIT'] + $headers, $body);
        }
        [$status, $title, $body] = $this->content();
        $headers = site_headers() + ['X-Drupal-Dynamic-Cache' => $status === 200 ? 'MISS' : 'UNCACHEABLE'];
        $html = page($title, $this->site, $body, $this->head());
        if ($this->session === null) {
            $this->db->run('INSERT INTO {cache_page} (cid, data, created) VALUES (?, ?, ?) ON CONFLICT (cid) DO NOTHING',
                [$id, [serialize([$status, $headers, $html])], time()]);
            $headers = ['X-Drupal-Cache' => 'MISS'] + $headers;
        }
        answer($status, $headers, $html);
    }

    /** Status, title and body of the page at this path. */
    private function content(): array
    {
        if ($this->path === '/' || $this->path === '/node') {
            $nodes = $this->db->run('SELECT nid, title FROM {node_field_data} ORDER BY nid DESC LIMIT 10')->fetchAll();
            $list = implode('', array_map(fn ($n) => "<article><h2><a href=\"/node/$n[nid]\">" . h($n['title']) . '</a></h2></article>', $nodes));
            return [200, "Welcome to $this->site", $list ?: '<p>No front page content has been created yet.</p>'];
        }
        if (preg_match('#^/node/(\d{1,9})$#', $this->path, $m)) {
            $title = $this->db->one('SELECT title FROM {node_field_data} WHERE nid = ?', [$m[1]]);
            if ($title !== false) {
                return [200, $title, "<article data-history-node-id=\"$m[1]\"></article>"];
            }
        }
        if ($this->path === '/user/login') {
            return $this->session ? $this->denied() : [200, 'Log in', login_form()];
        }
        if ($this->path === '/user/1') {
            return $this->session ? [200, $this->session->name, ''] : $this->denied();
        }
        if ($this->path === '/node/add/article') {
            return $this->session ? [200, 'Create Article', $this->article_form()] : $this->denied();
        }
        $this->log('page not found');
        return [404, 'Page not found', '<p>The requested page could not be found.</p>'];
    }

    private function denied(): array
    {
        $this->log('access denied');
        return [403, 'Access denied', '<p>You are not authorized to access this page.</p>'];
    }

    /** A row of Drupal's log, where its module is on. */
    private function log(string $type): void
    {
        if (!$this->db->has('watchdog')) {
            return;
        }
        $this->db->run(
            'INSERT INTO {watchdog} (uid, type, message, variables, severity, link, location, referer, hostname, timestamp)
             VALUES (?, ?, ?, ?, 4, \'\', ?, ?, ?, ?)',
            [$this->session->uid ?? 0, $type, '@uri', [serialize(['@uri' => $this->path])], base_url() . $_SERVER['REQUEST_URI'],
             $_SERVER['HTTP_REFERER'] ?? '', $_SERVER['REMOTE_ADDR'], time()],
        );
    }

    /**
     * The style sheet that a page names. Its name is state, which lies in the database; the file lies with the
     * instance that made it. So a second instance without shared files names one that it does not have.
     */
    private function head(): string
    {
        $name = $this->db->kept('state', 'drupal_css_cache_files');
        if ($name === null) {
            $name = 'css_' . random(32) . '.css';
            $this->db->keep('state', 'drupal_css_cache_files', $name);
            write_style_sheet($name);
        }
        return "    <link rel=\"stylesheet\" media=\"all\" href=\"/sites/default/files/css/$name\" />\n";
    }

    /** Asked for a style sheet that is no file: up to 9 it is missing, later ones make it when asked. */
    private function aggregate(string $path): never
    {
        $missing = major() < 10 || basename($path) !== $this->db->kept('state', 'drupal_css_cache_files');
        if ($missing) {
            answer(404, ['Content-Type' => 'text/html; charset=UTF-8'], '<!DOCTYPE html><html><head><title>404 Not Found</title></head>'
                . '<body><h1>Not Found</h1></body></html>');
        }
        write_style_sheet(basename($path));
        answer(200, ['Content-Type' => 'text/css'], style_sheet());
    }

    private function log_in(): never
    {
        $user = $this->db->run('SELECT uid, pass FROM {users_field_data} WHERE name = ? AND uid > 0', [$_POST['name'] ?? ''])->fetch();
        if (!$user || !password_verify($_POST['pass'] ?? '', $user['pass'])) {
            $this->form_again('Log in', 'Unrecognized username or password.', login_form());
        }
        Session::start($this->db, $user['uid']);
        redirect(303, base_url() . '/user/' . $user['uid'] . '?check_logged_in=1', site_headers());
    }

    private function add_article(): never
    {
        if ($this->session === null) {
            [$status, $title, $body] = $this->denied();
            answer($status, site_headers(), page($title, $this->site, $body));
        }
        // The token is made with the instance's own salt: a form of an instance that does not share it is foreign.
        if (!hash_equals($this->session->token('node_article_form'), $_POST['form_token'] ?? '')) {
            $this->form_again('Create Article', 'The form has become outdated. Press the back button, copy any unsaved work in the '
                . 'form, and then reload the page.', $this->article_form());
        }
        $title = $_POST['title'][0]['value'] ?? 'Untitled';
        $nid = $this->db->one('INSERT INTO {node} (type, uuid) VALUES (\'article\', ?) RETURNING nid', [uuid()]);
        $this->db->run('INSERT INTO {node_field_data} (nid, type, title, uid, created) VALUES (?, \'article\', ?, ?, ?)',
            [$nid, $title, $this->session->uid, time()]);
        $this->db->run('DELETE FROM {cache_page}');
        redirect(303, base_url() . "/node/$nid", site_headers());
    }

    private function form_again(string $title, string $error, string $form): never
    {
        answer(200, site_headers(), page($title, $this->site, '<div role="contentinfo" aria-label="Error message">' . h($error) . '</div>' . $form));
    }

    private function article_form(): string
    {
        $token = $this->session->token('node_article_form');
        return '<form action="/node/add/article" method="post" data-drupal-selector="node-article-form">
<input name="title[0][value]" /><input type="hidden" name="form_token" value="' . $token . '" />
<input type="hidden" name="form_id" value="node_article_form" /><input type="submit" name="op" value="Save" /></form>';
    }
}

/** Who is logged in: the cookie's name goes by the host alone, and what it stands for lies in the database. */
class Session
{
    private function __construct(public int $uid, public string $name, private string $key)
    {
    }

    private static function cookie(): string
    {
        return 'SESS' . substr(hash('sha256', preg_replace('/:\d+$/', '', $_SERVER['HTTP_HOST'] ?? '')), 0, 32);
    }

    private static function id(string $cookie): string
    {
        return rtrim(strtr(base64_encode(hash('sha256', $cookie, true)), '+/', '-_'), '=');
    }

    public static function of(Database $db, string $salt): ?self
    {
        $cookie = $_COOKIE[self::cookie()] ?? null;
        if (!is_string($cookie)) {
            return null;
        }
        $row = $db->run(
            'SELECT s.uid, s.session, u.name FROM {sessions} s JOIN {users_field_data} u ON u.uid = s.uid WHERE s.sid = ?',
            [self::id($cookie)],
        )->fetch();
        if (!$row) {
            return null;
        }
        $seed = is_resource($row['session']) ? stream_get_contents($row['session']) : $row['session'];
        return new self($row['uid'], $row['name'], $seed . $db->kept('state', 'system.private_key') . $salt);
    }

    public static function start(Database $db, int $uid): void
    {
        $cookie = random(32);
        $db->run('INSERT INTO {sessions} (sid, uid, hostname, timestamp, session) VALUES (?, ?, ?, ?, ?)',
            [self::id($cookie), $uid, $_SERVER['REMOTE_ADDR'], time(), [random(16)]]);
        setcookie(self::cookie(), $cookie, ['expires' => time() + 2000000, 'path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
    }

    public function token(string $form): string
    {
        return rtrim(strtr(base64_encode(hash_hmac('sha256', $form, $this->key, true)), '+/', '-_'), '=');
    }
}

function login_form(): string
{
    return '<form class="user-login-form" data-drupal-selector="user-login-form" action="/user/login" method="post" id="user-login-form">
<input name="name" /><input type="password" name="pass" />
<input type="hidden" name="form_build_id" value="form-' . random(32) . '" />
<input type="hidden" name="form_id" value="user_login_form" /><input type="submit" name="op" value="Log in" /></form>';
}

function style_sheet(): string
{
    return "body{margin:2em auto;max-width:40em;font-family:sans-serif}\n";
}

function write_style_sheet(string $name): void
{
    @mkdir(SITE . '/files/css', 0775, true);
    @file_put_contents(SITE . "/files/css/$name", style_sheet());
}
