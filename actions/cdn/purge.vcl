# What Varnish needs so that `ops cdn purge` can take objects out of it. In your own VCL, after `vcl 4.1;`:
#
#     include "purge.vcl";
#     acl production_ops_purgers { "localhost"; "10.0.0.0"/8; }
#
# It must come first: the subroutines of a file that is included earlier run earlier. With the vmod xkey, include
# purge-tags.vcl before this file.

import purge;

sub vcl_recv {
    if (req.method == "PURGE" || req.method == "BAN") {
        if (client.ip !~ production_ops_purgers) {
            return (synth(405, "Not allowed"));
        }
    }
    if (req.method == "BAN") {
        if (req.http.x-ban-scope == "all") {
            ban("obj.status != 0");
        } else {
            # Only what is kept beside the object is compared, so that the ban lurker can do it.
            ban("obj.http.x-ops-host == " + req.http.host + " && obj.http.x-ops-url ~ " + req.http.x-ban-url);
        }
        return (synth(200, "Banned"));
    }
    if (req.method == "PURGE") {
        if (req.http.x-purge-soft) {
            # Only a lookup finds the object that is marked as stale.
            return (hash);
        }
        return (purge);
    }
}

sub vcl_hit {
    if (req.method == "PURGE") {
        purge.soft(0s, -1s, -1s);
        return (synth(200, "Purged softly"));
    }
}

sub vcl_miss {
    if (req.method == "PURGE") {
        purge.soft(0s, -1s, -1s);
        return (synth(200, "Purged softly"));
    }
}

sub vcl_backend_response {
    set beresp.http.x-ops-url = bereq.url;
    set beresp.http.x-ops-host = bereq.http.host;
}

sub vcl_deliver {
    unset resp.http.x-ops-url;
    unset resp.http.x-ops-host;
}
