// A stand-in for Drupal, made for the tests of labrun: there is no Drupal code in it.
