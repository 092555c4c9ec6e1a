# From the documentation of AWS and of its Terraform provider (6.x), not run: check with
# "mtls-middleware doctor --url". An HTTP API with mutual TLS, in front of a Lambda function that runs the application
# under Mangum.
#
# The function:
#   {{ setting }}
# MTLS_TRUST is a file in the function's package, below /var/task.
#
# No header is read, so there is none to remove and no secret: the certificate stands in the event, which no caller
# writes. The boundary rests on three things:
#   - Each way to the API asks for a certificate: the default endpoint (execute-api), which asks for none, is off.
#   - Only this API may invoke the function (aws_lambda_permission), and the function has no URL of its own: whoever may
#     invoke it may write the event.
#   - No other API, and no other domain name without mutual TLS, leads to the same function.
# Root renewed: put old and new into {{ trust }}, one PEM after the other, and "terraform apply". The function
# needs the new root too.
# API Gateway has no switch for session resumption, and checks no CRL. The application does.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "certificate_arn" {
  description = "The server's certificate in ACM, for {{ server_name }}."
  type        = string
}

variable "function_name" {
  description = "The Lambda function with the application."
  type        = string
}

variable "trust_bucket" {
  description = "An S3 bucket with versioning, for the root, in the region of the API."
  type        = string
}

variable "zone_id" {
  description = "The Route 53 zone of {{ server_name }}."
  type        = string
}

data "aws_lambda_function" "application" {
  function_name = var.function_name
}

resource "aws_s3_object" "root" {
  bucket      = var.trust_bucket
  key         = "data-actions/root.pem"
  source      = "{{ trust }}"
  source_hash = filemd5("{{ trust }}")
}

resource "aws_apigatewayv2_api" "data_actions" {
  name          = "data-actions"
  protocol_type = "HTTP"

  # Or everybody comes in by https://ID.execute-api.REGION.amazonaws.com, without a certificate.
  disable_execute_api_endpoint = true
}

resource "aws_apigatewayv2_integration" "application" {
  api_id                 = aws_apigatewayv2_api.data_actions.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = data.aws_lambda_function.application.invoke_arn
  payload_format_version = "2.0"
  # Data actions wait for up to 60 s, this API for 30 s at most: they get 503 where the application takes longer.
  timeout_milliseconds = 30000
}

resource "aws_apigatewayv2_route" "all" {
  api_id    = aws_apigatewayv2_api.data_actions.id
  route_key = "$default"
  target    = "integrations/${aws_apigatewayv2_integration.application.id}"
}

resource "aws_apigatewayv2_stage" "all" {
  api_id      = aws_apigatewayv2_api.data_actions.id
  name        = "$default"
  auto_deploy = true
}

resource "aws_lambda_permission" "api" {
  statement_id  = "data-actions"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.data_actions.execution_arn}/*/*"
}

resource "aws_apigatewayv2_domain_name" "data_actions" {
  domain_name = "{{ server_name }}"

  domain_name_configuration {
    certificate_arn = var.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }

  mutual_tls_authentication {
    truststore_uri     = "s3://${aws_s3_object.root.bucket}/${aws_s3_object.root.key}"
    truststore_version = aws_s3_object.root.version_id
  }
}

resource "aws_apigatewayv2_api_mapping" "data_actions" {
  api_id      = aws_apigatewayv2_api.data_actions.id
  domain_name = aws_apigatewayv2_domain_name.data_actions.id
  stage       = aws_apigatewayv2_stage.all.id
}

resource "aws_route53_record" "data_actions" {
  zone_id = var.zone_id
  name    = "{{ server_name }}"
  type    = "A"

  alias {
    name                   = aws_apigatewayv2_domain_name.data_actions.domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.data_actions.domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}
