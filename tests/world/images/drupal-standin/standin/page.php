<?php
// Pages: the HTML around every one, and the headers that Drupal gives them.
namespace Standin;

function h(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES);
}

function generator(): string
{
    return 'Drupal ' . major() . ' (https://www.drupal.org)';
}

/** A whole page. What is a page of the site says so in its headers; a page of the installer does not. */
function page(string $title, string $site, string $body, string $head = ''): string
{
    return '<!DOCTYPE html>
<html lang="en" dir="ltr">
  <head>
    <meta charset="utf-8" />
    <meta name="Generator" content="' . generator() . '" />
    <meta name="MobileOptimized" content="width" />
    <meta name="viewport" content="width=device-width, initial-scale=1.0" />
    <title>' . h($title) . ' | ' . h($site) . '</title>
' . $head . '    <script src="/core/misc/drupal.js"></script>
  </head>
  <body>
    <h1>' . h($title) . '</h1>
' . $body . '
    <footer>A stand-in for Drupal, made for the tests of labrun.</footer>
  </body>
</html>
';
}

/** What every answer of the site's own carries. */
function site_headers(): array
{
    return [
        'Cache-Control' => 'must-revalidate, no-cache, private',
        'Content-language' => 'en',
        'Content-Type' => 'text/html; charset=UTF-8',
        'Expires' => 'Sun, 19 Nov 1978 05:00:00 GMT',
        'X-Content-Type-Options' => 'nosniff',
        'X-Frame-Options' => 'SAMEORIGIN',
        'X-Generator' => generator(),
    ];
}

function answer(int $status, array $headers, string $body): never
{
    http_response_code($status);
    foreach ($headers as $name => $value) {
        header("$name: $value");
    }
    if ($_SERVER['REQUEST_METHOD'] !== 'HEAD') {
        echo $body;
    }
    exit;
}

function redirect(int $status, string $to, array $headers = []): never
{
    $headers += ['Cache-Control' => 'no-cache, private', 'Content-Type' => 'text/html; charset=UTF-8'];
    $to_h = h($to);
    answer($status, ['Location' => $to] + $headers, "<!DOCTYPE html>
<html>
    <head>
        <meta charset=\"UTF-8\" />
        <meta http-equiv=\"refresh\" content=\"0;url='$to_h'\" />
        <title>Redirecting to $to_h</title>
    </head>
    <body>Redirecting to <a href=\"$to_h\">$to_h</a>.</body>
</html>");
}

function base_url(): string
{
    return 'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost');
}
