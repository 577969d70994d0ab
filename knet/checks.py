"""The catalogue of numbered checks (`docs/checks.md` explains each; a test keeps the two together).

0xx reading · 1xx one object · 2xx objects together · 3xx what a gateway cannot express · 4xx advice ·
5xx knet itself. A number is never used again for something else.
"""

from __future__ import annotations

from knet.errors import Check, Severity

E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE

# 0xx: reading
UNREADABLE = Check("KNET001", "input cannot be read", E)
SYNTAX = Check("KNET002", "not valid YAML or JSON", E)
DUPLICATE_KEY = Check("KNET003", "a key is written twice", E)
NOT_AN_OBJECT = Check("KNET004", "document is not a Kubernetes object", E)
UNKNOWN_FIELD = Check("KNET005", "unknown field", E)
WRONG_TYPE = Check("KNET006", "wrong type", E)
DUPLICATE_OBJECT = Check("KNET007", "object is written twice", E)
UNKNOWN_VERSION = Check("KNET008", "version of a known kind is not read", W)
SUPERSEDED = Check("KNET009", "KIngress is written and also compiled", N)

# 1xx: one object
INVALID = Check("KNET101", "object is not valid", E)
BAD_HOST = Check("KNET102", "host cannot be routed", E)
BAD_CONFIG = Check("KNET103", "ConfigMap value is not valid", E)
BAD_SECRET = Check("KNET104", "TLS Secret cannot be used", E)
BAD_PORT = Check("KNET105", "port is not a TCP port", E)

# 11x, 12x: Knative's own objects
BAD_TRAFFIC = Check("KNET110", "traffic block is not valid", E)
TRAFFIC_TARGET = Check("KNET111", "traffic goes to what cannot be routed to", E)
BAD_DOMAIN = Check("KNET112", "templates give no domain name", E)
MAPPING_TARGET = Check("KNET113", "DomainMapping leads nowhere", E)
DOMAIN_CLAIMED = Check("KNET114", "domain is mapped in two namespaces", E)
ROUTE_TAKEN = Check("KNET115", "Service and Route have one name", E)

# 2xx: objects together
HOST_CONFLICT = Check("KNET201", "host is claimed by two objects", E)
MISSING_BACKEND = Check("KNET202", "backend does not exist", E)
NO_ENDPOINTS = Check("KNET203", "backend has no ready endpoint", W)
MISSING_SECRET = Check("KNET204", "TLS Secret does not exist", E)
CERTIFICATE_HOSTS = Check("KNET205", "certificate does not cover a host", W)
MISSING_PORT = Check("KNET206", "Service has no such port", W)
UNUSED_TLS = Check("KNET207", "TLS entry serves no rule", W)
EXPIRY = Check("KNET208", "certificate expires", W)
REPEATED_HOST = Check("KNET209", "host stands twice in one KIngress", W)

# 3xx: what a gateway cannot express

# 32x: contour
ISTIO_GATEWAY_SERVICE = Check("KNET310", "Istio gateway's Service is not in the input", N)
ISTIO_UNSERVED = Check("KNET311", "Istio does not serve a host", W)
ISTIO_ORDER = Check("KNET312", "Istio tries routes as written", W)
ISTIO_EMPTY_HEADER = Check("KNET313", "Istio takes an empty header value literally", W)
ISTIO_NAMED_PORT = Check("KNET314", "Istio is given port 0 for a named port", W)
ISTIO_TLS = Check("KNET315", "Istio serves other schemes", W)
ISTIO_SHARED_HOST = Check("KNET316", "Istio serves a contested host from any claimant", W)
ISTIO_PREFIX = Check("KNET317", "Istio takes a longer host by its prefix", W)
ISTIO_NAME_COLLISION = Check("KNET318", "two KIngresses share an Istio Gateway by name", W)
ISTIO_MORE = Check("KNET319", "Istio serves another host than written", W)
REFUSED_PROXY = Check("KNET320", "Contour refuses an HTTPProxy", W)
NO_CONTOUR = Check("KNET321", "no Contour serves a host", W)
FORCED_INTERNAL = Check("KNET322", "cluster-local host is served inside only", W)
OTHER_HOSTS = Check("KNET323", "Contour serves other hosts than written", W)
ROUTE_ORDER = Check("KNET324", "Contour tries routes in another order", W)
OTHER_REDIRECT = Check("KNET325", "Contour redirects other requests to https", W)
OTHER_TLS = Check("KNET326", "Contour serves https for other hosts", W)
EVEN_SHARES = Check("KNET327", "Contour shares traffic evenly where all weights are 0", W)
OTHER_NAMESPACE = Check("KNET328", "Contour reaches no Service of another namespace", E)
OTHER_MEANING = Check("KNET329", "Contour reads a value differently", W)

# 33x: kourier
NO_WEIGHT = Check("KNET330", "no split of a route takes traffic", E)
REFUSED_BY_ENVOY = Check("KNET331", "Envoy refuses a value", E)
SERVER_NAME = Check("KNET332", "TLS server name cannot be served", W)
BAD_ADDRESS = Check("KNET333", "endpoint address is not an IP address", W)

# 35x: the Envoy control plane
DANGLING_RESOURCE = Check("KNET350", "Envoy resource names one that is not there", E)
RESOURCE_REFUSED = Check("KNET351", "Envoy refused a resource", E)
ENVOY_NOT_FOUND = Check("KNET352", "no Envoy binary found", E)
ENVOY_FAILED = Check("KNET353", "Envoy does not run", E)
CANNOT_LISTEN = Check("KNET354", "control plane cannot listen", E)

# 36x: the embedded cluster
ALREADY_RUNS = Check("KNET360", "a cluster runs here already", E)
NOT_RUNNING = Check("KNET361", "no cluster runs here", E)
API_REFUSED = Check("KNET362", "the API refuses a request", E)
FOREIGN_FILES = Check("KNET363", "directory holds what is not the cluster's", E)
CHILD_FAILED = Check("KNET364", "a process beside the cluster does not run", E)

# 37x: the data path in a pod
QUEUE_SETTINGS = Check("KNET370", "queue-proxy's environment is wrong", E)

# 38x: an installation on a cluster
BAD_VALUES = Check("KNET380", "values of an installation are wrong", E)
INSTALL_REFUSED = Check("KNET381", "this cluster cannot take the installation", E)
NOT_READY = Check("KNET382", "what was installed is not ready", E)
NOT_INSTALLED = Check("KNET383", "knet is not installed on this cluster", E)
CLUSTER_REFUSES = Check("KNET384", "the cluster refuses a request", E)
USER_OBJECTS = Check("KNET385", "objects of users would be deleted", E)
MIGRATION_REFUSED = Check("KNET386", "this migration cannot be made", E)
NO_MIGRATION = Check("KNET387", "no such migration is under way", E)

# 39x: canaries
NO_CANARY = Check("KNET390", "there is no such canary", E)
CANARY_REFUSED = Check("KNET391", "a canary cannot do this now", E)
BAD_PLAN = Check("KNET392", "plan of a canary cannot be followed", E)

# 4xx: advice
SHIFT_TOO_FAR = Check("KNET451", "traffic moves too far in one change", E)
FORBIDDEN_CHANGE = Check("KNET452", "a kind of change that is forbidden here", E)
TRAFFIC_BLOCK = Check("KNET453", "traffic block cannot be edited so", E)
GATEWAYS_DISAGREE = Check("KNET454", "gateways decide a request differently", E)
DIFFERENT = Check("KNET455", "routing changes here", N)
SHADOWED = Check("KNET401", "route can never be reached", W)
REDIRECT_WITHOUT_TLS = Check("KNET402", "http is redirected to https that nothing serves", W)
MANY_LISTENERS = Check("KNET403", "more TLS hosts than a Gateway holds", N)
TIMEOUTS = Check("KNET404", "timeouts along the path disagree", W)
NO_HOSTS = Check("KNET405", "rule without hosts", W)

# 5xx: knet itself
PLUGIN_FAILED = Check("KNET501", "backend plugin cannot be loaded", E)
