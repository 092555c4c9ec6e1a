# From the documentation of Google Cloud and of its Terraform provider (6.x and 7.x), not run: check with
# "mtls-middleware doctor --url". A global external Application Load Balancer.
#
# The application:
#   {{ setting }}
#
# The state of Terraform holds the secret: keep it where only you read it.
# Root renewed: a trust anchor holds one certificate. Add a second block "trust_anchors" with the new file, and
# "terraform apply"; the application's MTLS_TRUST takes both files.
# There is no switch for session resumption, and no CRL. The application checks revocation.
terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0"
    }
  }
}

variable "instance_group" {
  description = "The instance group, or network endpoint group, with the application on a port called http."
  type        = string
}

variable "certificate" {
  description = "The id of the server's certificate (google_compute_ssl_certificate), for {{ server_name }}."
  type        = string
}

data "google_project" "this" {
}

resource "google_certificate_manager_trust_config" "data_actions" {
  name     = "data-actions"
  location = "global"

  trust_stores {
    trust_anchors {
      pem_certificate = file("{{ trust }}")
    }
  }
}

resource "google_network_security_server_tls_policy" "data_actions" {
  name       = "data-actions"
  location   = "global"
  allow_open = false

  mtls_policy {
    # A caller without a certificate of the root is refused in the handshake. ALLOW_INVALID_OR_MISSING_CLIENT_CERT would
    # let everybody on to the application, which refuses them by the headers below.
    client_validation_mode         = "REJECT_INVALID"
    client_validation_trust_config = "projects/${data.google_project.this.number}/locations/global/trustConfigs/${google_certificate_manager_trust_config.data_actions.name}"
  }
}

resource "google_compute_health_check" "application" {
  name = "data-actions"

  http_health_check {
    port_specification = "USE_SERVING_PORT"
    # A path of MTLS_EXEMPT that the application answers. Health checks carry no certificate and no secret.
    request_path = "{{ health }}"
  }
}

resource "google_compute_backend_service" "application" {
  name                  = "data-actions"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTP"
  port_name             = "http"
  health_checks         = [google_compute_health_check.application.id]
  # Data actions wait for up to 60 s; the default is 30 s.
  timeout_sec = 65

  # Each of these is set with every request, whatever the caller sent. Names in braces are variables of the load
  # balancer.
  custom_request_headers = [
    "X-Client-Cert-Leaf:{client_cert_leaf}",
    "X-Client-Cert-Chain:{client_cert_chain}",
    "X-Client-Cert-Present:{client_cert_present}",
    "X-Client-Cert-Chain-Verified:{client_cert_chain_verified}",
    "X-Client-Cert-Error:{client_cert_error}",
    "{{ secret_header }}:{{ secret }}",
  ]

  backend {
    group = var.instance_group
  }
}

resource "google_compute_url_map" "data_actions" {
  name            = "data-actions"
  default_service = google_compute_backend_service.application.id

  # The load balancer has no rule for any name with an underscore, so only these spellings end here. An ASGI application
  # refuses the others; a WSGI application needs a server that drops them (gunicorn, waitress).
  header_action {
    request_headers_to_remove = [
      "X_Client_Cert_Leaf",
      "X_Client_Cert_Chain",
      "X_Client_Cert_Present",
      "X_Client_Cert_Chain_Verified",
      "X_Client_Cert_Error",
      "{{ secret_header_twin }}",
      "Forwarded",
    ]
  }
}

resource "google_compute_target_https_proxy" "data_actions" {
  name              = "data-actions"
  url_map           = google_compute_url_map.data_actions.id
  ssl_certificates  = [var.certificate]
  server_tls_policy = google_network_security_server_tls_policy.data_actions.id

  # Without HTTP/3, in which the certificate may be missing.
  quic_override = "DISABLE"
}

resource "google_compute_global_forwarding_rule" "data_actions" {
  name                  = "data-actions"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  target                = google_compute_target_https_proxy.data_actions.id
  port_range            = "{{ port }}"
}
