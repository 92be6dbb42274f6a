<?php
require '/opt/drupal/standin/site.php';
require '/opt/drupal/standin/page.php';
require '/opt/drupal/standin/visit.php';
Standin\visit();
