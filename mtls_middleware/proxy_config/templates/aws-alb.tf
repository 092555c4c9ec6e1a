# From the documentation of AWS and of its Terraform provider (6.x), not run: check with
# "mtls-middleware doctor --url". An Application Load Balancer that verifies client certificates.
#
# The application:
#   {{ setting }}
# MTLS_TRUSTED_PROXIES are the networks of var.subnets, for the load balancer's addresses change. Run uvicorn with
# --no-proxy-headers, or better with "mtls-middleware serve". A WSGI application needs MTLS_PROXY_DROPS_UNDERSCORES=yes
# too; drop_invalid_header_fields makes that true.
#
# A load balancer can add no secret, and can be given no rule that removes a header. AWS does not document what becomes
# of a caller's own X-Amzn-Mtls-Clientcert-Leaf. So the boundary rests on three things:
#   - Without a certificate of the root there is no connection (mode "verify").
#   - The application can be reached from this load balancer only (aws_vpc_security_group_ingress_rule.application).
#   - No other listener, also none on port 80, leads to the same target group.
# Root renewed: put old and new into {{ trust }}, one PEM after the other, and "terraform apply".
# Mutual TLS on a load balancer has no session resumption, so there is nothing to turn off.
{{# crl }}
# CRL: aws_lb_trust_store_revocation below. It must be uploaded again long before its "next update", by a job
# of yours that runs "terraform apply", hourly, or every caller may be refused.
{{/ crl }}
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80"
    }
  }
}

variable "vpc_id" {
  type = string
}

variable "subnets" {
  description = "Public subnets of the load balancer, in two zones or more."
  type        = list(string)
}

variable "certificate_arn" {
  description = "The server's certificate in ACM, for {{ server_name }}."
  type        = string
}

variable "application_security_group" {
  description = "The security group of the application. Its other rules must not open port {{ application_port }}."
  type        = string
}

variable "trust_bucket" {
  description = "An S3 bucket with versioning, for the root."
  type        = string
}

resource "aws_s3_object" "root" {
  bucket      = var.trust_bucket
  key         = "data-actions/root.pem"
  source      = "{{ trust }}"
  source_hash = filemd5("{{ trust }}")
}

resource "aws_lb_trust_store" "data_actions" {
  name                                     = "data-actions"
  ca_certificates_bundle_s3_bucket         = aws_s3_object.root.bucket
  ca_certificates_bundle_s3_key            = aws_s3_object.root.key
  ca_certificates_bundle_s3_object_version = aws_s3_object.root.version_id
}

{{# crl }}
resource "aws_s3_object" "crl" {
  bucket      = var.trust_bucket
  key         = "data-actions/root.crl.pem"
  source      = "{{ crl }}"
  source_hash = filemd5("{{ crl }}")
}

resource "aws_lb_trust_store_revocation" "data_actions" {
  trust_store_arn               = aws_lb_trust_store.data_actions.arn
  revocations_s3_bucket         = aws_s3_object.crl.bucket
  revocations_s3_key            = aws_s3_object.crl.key
  revocations_s3_object_version = aws_s3_object.crl.version_id
}

{{/ crl }}
resource "aws_security_group" "load_balancer" {
  name   = "data-actions-load-balancer"
  vpc_id = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "callers" {
  security_group_id = aws_security_group.load_balancer.id
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = {{ port }}
  to_port           = {{ port }}
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "application" {
  security_group_id            = aws_security_group.load_balancer.id
  referenced_security_group_id = var.application_security_group
  from_port                    = {{ application_port }}
  to_port                      = {{ application_port }}
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "application" {
  security_group_id            = var.application_security_group
  referenced_security_group_id = aws_security_group.load_balancer.id
  from_port                    = {{ application_port }}
  to_port                      = {{ application_port }}
  ip_protocol                  = "tcp"
}

resource "aws_lb" "data_actions" {
  name               = "data-actions"
  load_balancer_type = "application"
  security_groups    = [aws_security_group.load_balancer.id]
  subnets            = var.subnets

  # X_Amzn_Mtls_Clientcert_Leaf and the like end here: only letters, digits and hyphens are valid.
  drop_invalid_header_fields = true

  # Data actions wait for up to 60 s.
  idle_timeout = 65
}

resource "aws_lb_target_group" "application" {
  name        = "data-actions"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = {{ application_port }}

  health_check {
    # A path of MTLS_EXEMPT that the application answers. Health checks carry no certificate.
    path = "{{ health }}"
  }
}

resource "aws_lb_listener" "data_actions" {
  load_balancer_arn = aws_lb.data_actions.arn
  protocol          = "HTTPS"
  port              = {{ port }}
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  mutual_authentication {
    mode                             = "verify"
    trust_store_arn                  = aws_lb_trust_store.data_actions.arn
    ignore_client_certificate_expiry = false
  }

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.application.arn
  }
}
