# Tags: the origin sends `xkey: product-1 category-7`, and `ops cdn purge --tag product-1` takes every object that has it.
# Needs the vmod xkey (package varnish-modules). Include it before purge.vcl.

import xkey;

sub vcl_recv {
    if (req.method == "PURGE" && (req.http.xkey-purge || req.http.xkey-softpurge)) {
        if (client.ip !~ production_ops_purgers) {
            return (synth(405, "Not allowed"));
        }
        if (req.http.xkey-softpurge) {
            set req.http.x-purged = xkey.softpurge(req.http.xkey-softpurge);
        } else {
            set req.http.x-purged = xkey.purge(req.http.xkey-purge);
        }
        return (synth(200, "Purged " + req.http.x-purged));
    }
}
