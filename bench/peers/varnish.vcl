# Varnish as it is compared: its built-in rules. How it is started is in bench/comparison/servers.py:
# -s malloc (its cache in memory); one thread pool, of as many threads as it wants, because it needs one for each request
# that is being worked on; timeout_idle of an hour, where the default would close connections after 5 s; varnishncsa
# beside it, because varnishd writes no access log itself, with its CPU counted and shown apart.
vcl 4.1;
backend origin {
  .host = "127.0.0.1";
  .port = "@ORIGIN_PORT@";
}
