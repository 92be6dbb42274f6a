<?php
// A stand-in for Drupal, made for the tests of labrun: the installer copies this to settings.php and adds to it.
$databases = [];
$settings['hash_salt'] = '';
