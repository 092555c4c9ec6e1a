# From the documentation of Cloudflare and of its Terraform provider (5.x), not run: check with
# "mtls-middleware doctor --url". API Shield mutual TLS with a root of your own, which is for Enterprise zones.
#
# The application:
#   {{ setting }}
# The headers that MTLS_SOURCE=cloudflare reads by itself (Cf-Client-Cert-Der-Base64, and Cf-Cert- of the managed
# transform "add_client_certificate_headers") begin with cf-, and a rule can neither set nor remove such a name. These
# are set by our own rules instead, so a caller's copy depends on no promise of others.
#
# The state of Terraform holds the secret: keep it where only you read it.
# The origin itself must be closed to everybody but Cloudflare. The secret refuses who takes the way past Cloudflare; with
# authenticated origin pulls (below), the server that ends TLS at the origin asks for Cloudflare's certificate as well.
# Root renewed: add a second cloudflare_mtls_certificate with the new file, and its association, and "terraform apply".
# There is no switch for session resumption, and no CRL for a root of your own. The application checks
# revocation.
terraform {
  required_providers {
    cloudflare = {
      source  = "cloudflare/cloudflare"
      version = ">= 5.0"
    }
  }
}

variable "account_id" {
  type = string
}

variable "zone_id" {
  type = string
}

resource "cloudflare_mtls_certificate" "root" {
  account_id   = var.account_id
  name         = "data-actions"
  ca           = true
  certificates = file("{{ trust }}")
}

# From here on, callers of this name are asked for a certificate. They need not show one.
resource "cloudflare_certificate_authorities_hostname_associations" "data_actions" {
  zone_id             = var.zone_id
  mtls_certificate_id = cloudflare_mtls_certificate.root.id
  hostnames           = ["{{ server_name }}"]
}

# A zone has one ruleset of this phase: where there is one, add the rules to it.
resource "cloudflare_ruleset" "refuse" {
  zone_id = var.zone_id
  name    = "data-actions: refuse"
  kind    = "zone"
  phase   = "http_request_firewall_custom"

  rules = [
    {
      # "Verified" is true for a revoked certificate too.
      description = "Refuse callers without a certificate of the root"
      expression  = "http.host eq \"{{ server_name }}\" and (not cf.tls_client_auth.cert_verified or cf.tls_client_auth.cert_revoked)"
      action      = "block"
    },
    {
      # Client_Cert and {{ secret_header_twin }} are other headers to Cloudflare, and the same ones to many WSGI servers.
      description = "Refuse header names with an underscore"
      expression  = "http.host eq \"{{ server_name }}\" and any(http.request.headers.names[*] contains \"_\")"
      action      = "block"
    },
  ]
}

# A zone has one ruleset of this phase: where there is one, add the rule to it, as its last.
resource "cloudflare_ruleset" "headers" {
  zone_id = var.zone_id
  name    = "data-actions: headers"
  kind    = "zone"
  phase   = "http_request_late_transform"

  rules = [
    {
      description = "Set the headers of the certificate"
      # Without a condition on the certificate: a caller's copy must go in any case.
      expression = "http.host eq \"{{ server_name }}\""
      action     = "rewrite"

      action_parameters = {
        headers = {
          # "set" overwrites what a caller sent, and removes it where the expression is empty.
          "Client-Cert" = {
            operation  = "set"
            expression = "cf.tls_client_auth.cert_rfc9440"
          }
          "Client-Cert-Chain" = {
            operation  = "set"
            expression = "cf.tls_client_auth.cert_chain_rfc9440"
          }
          # "true-false": verified, and not revoked. The certificate is passed on whatever they say.
          "X-Client-Cert-Verified" = {
            operation  = "set"
            expression = "concat(to_string(cf.tls_client_auth.cert_verified), \"-\", to_string(cf.tls_client_auth.cert_revoked))"
          }
          "{{ secret_header }}" = {
            operation = "set"
            value     = "{{ secret }}"
          }
          "Forwarded" = {
            operation = "remove"
          }
        }
      }
    },
  ]
}

# The server at the origin that ends TLS verifies it, with Cloudflare's origin pull root as its anchor.
resource "cloudflare_authenticated_origin_pulls_settings" "zone" {
  zone_id = var.zone_id
  enabled = true
}
