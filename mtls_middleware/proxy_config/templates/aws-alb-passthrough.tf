# From the documentation of AWS and of its Terraform provider (6.x), not run: check with
# "mtls-middleware doctor --url". An Application Load Balancer that passes client certificates on UNVERIFIED. Take aws-alb
# unless you need callers whose certificates the load balancer would refuse, such as those of MTLS_AUTHORITIES=digicert.
#
# The application, which verifies the certificate:
#   {{ setting }}
# MTLS_TRUSTED_PROXIES are the networks of var.subnets, for the load balancer's addresses change. Run uvicorn with
# --no-proxy-headers, or better with "mtls-middleware serve". A WSGI application needs MTLS_PROXY_DROPS_UNDERSCORES=yes
# too; drop_invalid_header_fields makes that true.
#
# A load balancer can add no secret, and can be given no rule that removes a header, and anybody may connect without a
# certificate. AWS does not document what happens to a caller's own X-Amzn-Mtls-Clientcert. So the boundary rests on:
#   - The load balancer replaces that header, or removes it where there is no certificate. Let no caller in before
#     "doctor --url" has shown it; a certificate is public, so whoever can forge the header is let in.
#   - The application can be reached from this load balancer only (aws_vpc_security_group_ingress_rule.application).
#   - No other listener, also none on port 80, leads to the same target group.
# Root renewed: only the application knows it: put old and new into its MTLS_TRUST.
# Mutual TLS on a load balancer has no session resumption, so there is nothing to turn off. It checks no CRL
# in this mode. The application does.
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

  # X_Amzn_Mtls_Clientcert and the like end here: only letters, digits and hyphens are valid.
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
    mode = "passthrough"
  }

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.application.arn
  }
}
