<?php
require '/opt/drupal/standin/site.php';
require '/opt/drupal/standin/page.php';
require '/opt/drupal/standin/install.php';
require '/opt/drupal/standin/installer.php';
Standin\installer();
