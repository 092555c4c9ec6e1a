# From the documentation of AWS and of its Terraform provider (6.x), not run: check with
# "mtls-middleware doctor --url". A CloudFront distribution with viewer mutual TLS.
#
# The application:
#   {{ setting }}
#
# The state of Terraform holds the secret: keep it where only you read it.
# Root renewed: put old and new into {{ trust }}, one PEM after the other, and "terraform apply".
# CloudFront has no rule that removes a header of a caller; those whose names begin with CloudFront- it sets itself, and
# the secret overwrites a caller's. It passes {{ secret_header_twin }} and the like on: an ASGI application refuses them, a
# WSGI application needs a server that drops them (gunicorn, waitress).
# There is no switch for session resumption, and no CRL: CloudFront checks one in a connection function of
# yours only. The application does.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.28"
    }
  }
}

variable "certificate_arn" {
  description = "The server's certificate in ACM of us-east-1, for {{ server_name }}."
  type        = string
}

variable "origin" {
  description = "The DNS name of the application, with a server certificate of its own. No caller may know it as its own way in: the secret refuses who takes it."
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

data "aws_s3_bucket" "trust" {
  bucket = var.trust_bucket
}

resource "aws_cloudfront_trust_store" "data_actions" {
  name = "data-actions"

  ca_certificates_bundle_source {
    ca_certificates_bundle_s3_location {
      bucket  = aws_s3_object.root.bucket
      key     = aws_s3_object.root.key
      region  = data.aws_s3_bucket.trust.bucket_region
      version = aws_s3_object.root.version_id
    }
  }
}

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

resource "aws_cloudfront_origin_request_policy" "data_actions" {
  name = "data-actions"

  # Without this list, CloudFront sends no header about the certificate.
  headers_config {
    header_behavior = "allViewerAndWhitelistCloudFront"

    headers {
      items = ["CloudFront-Viewer-Cert-Pem", "CloudFront-Viewer-Cert-Present"]
    }
  }

  cookies_config {
    cookie_behavior = "all"
  }

  query_strings_config {
    query_string_behavior = "all"
  }
}

resource "aws_cloudfront_distribution" "data_actions" {
  enabled = true
  aliases = ["{{ server_name }}"]

  # Without HTTP/3, in which no certificate is asked for.
  http_version = "http2"

  origin {
    origin_id   = "application"
    domain_name = var.origin

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      # Data actions wait for up to 60 s. That is the most without a higher quota; 30 s is the default.
      origin_read_timeout = 60
    }

    # Overwrites what a caller sent.
    custom_header {
      name  = "{{ secret_header }}"
      value = "{{ secret }}"
    }
  }

  default_cache_behavior {
    target_origin_id         = "application"
    viewer_protocol_policy   = "https-only"
    allowed_methods          = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = data.aws_cloudfront_cache_policy.disabled.id
    origin_request_policy_id = aws_cloudfront_origin_request_policy.data_actions.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = var.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }

  viewer_mtls_config {
    mode = "required"

    trust_store_config {
      trust_store_id                 = aws_cloudfront_trust_store.data_actions.id
      advertise_trust_store_ca_names = true
      ignore_certificate_expiry      = false
    }
  }
}
