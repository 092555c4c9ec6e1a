// From Microsoft's documentation, not run: check with "mtls-middleware doctor --url". An Azure Application Gateway v2.
//
// The application:
//   {{ setting }}
//
// The root is a parameter of the deployment:
//   az deployment group create -g GROUP -f data-actions.bicep -p root="$(base64 -w0 {{ trust }})" ...
// This file holds the secret, and so does the deployment: let nobody but you read them.
// Root renewed: a trusted client certificate holds one chain. Add a second one with the new root, name it in the SSL
// profile too, and deploy again; the application's MTLS_TRUST takes both files.
// The rules below overwrite a caller's copies. Names with an underscore are other headers to the gateway: an ASGI
// application refuses them, a WSGI application needs a server that drops them (gunicorn, waitress).
// There is no switch for session resumption, and no CRL: it could ask an OCSP responder only
// (verifyClientRevocation). The application checks revocation.
param location string = resourceGroup().location

@description('The regional root, PEM, in base64.')
param root string

@description('A subnet for the gateway alone. The application accepts connections from this subnet only.')
param subnetId string

param publicAddressId string

@description('The server certificate in Key Vault, for {{ server_name }}, and an identity that may read it.')
param certificateSecretId string
param identityId string

@description('Addresses of the application, such as [{"ipAddress": "10.0.0.4"}].')
param application array

var name = 'data-actions'
var gateway = resourceId('Microsoft.Network/applicationGateways', name)

resource applicationGateway 'Microsoft.Network/applicationGateways@2024-05-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    sku: {
      name: 'Standard_v2'
      tier: 'Standard_v2'
      capacity: 2
    }
    gatewayIPConfigurations: [
      {
        name: 'gateway'
        properties: {
          subnet: { id: subnetId }
        }
      }
    ]
    frontendIPConfigurations: [
      {
        name: 'public'
        properties: {
          publicIPAddress: { id: publicAddressId }
        }
      }
    ]
    frontendPorts: [
      {
        name: 'https'
        properties: { port: {{ port }} }
      }
    ]
    sslCertificates: [
      {
        name: 'server'
        properties: { keyVaultSecretId: certificateSecretId }
      }
    ]
    trustedClientCertificates: [
      {
        name: 'genesys-root'
        properties: { data: root }
      }
    ]
    sslProfiles: [
      {
        name: 'callers'
        properties: {
          trustedClientCertificates: [
            { id: '${gateway}/trustedClientCertificates/genesys-root' }
          ]
          clientAuthConfiguration: {
            // A caller without a certificate of the root ends here, with 400. Passthrough would verify nothing.
            verifyClientAuthMode: 'Strict'
            verifyClientCertIssuerDN: true
            verifyClientRevocation: 'None'
          }
          sslPolicy: {
            policyType: 'Predefined'
            policyName: 'AppGwSslPolicy20220101'
          }
        }
      }
    ]
    httpListeners: [
      {
        name: 'data-actions'
        properties: {
          frontendIPConfiguration: { id: '${gateway}/frontendIPConfigurations/public' }
          frontendPort: { id: '${gateway}/frontendPorts/https' }
          protocol: 'Https'
          hostName: '{{ server_name }}'
          requireServerNameIndication: true
          sslCertificate: { id: '${gateway}/sslCertificates/server' }
          sslProfile: { id: '${gateway}/sslProfiles/callers' }
        }
      }
    ]
    backendAddressPools: [
      {
        name: 'application'
        properties: { backendAddresses: application }
      }
    ]
    backendHttpSettingsCollection: [
      {
        name: 'application'
        properties: {
          port: {{ application_port }}
          protocol: 'Http'
          cookieBasedAffinity: 'Disabled'
          // Seconds. Data actions wait for up to 60 s.
          requestTimeout: 65
          probe: { id: '${gateway}/probes/health' }
        }
      }
    ]
    probes: [
      {
        name: 'health'
        properties: {
          // A path of MTLS_EXEMPT that the application answers. Health checks carry no certificate.
          protocol: 'Http'
          host: '{{ server_name }}'
          path: '{{ health }}'
          interval: 30
          timeout: 30
          unhealthyThreshold: 3
        }
      }
    ]
    rewriteRuleSets: [
      {
        name: 'client-certificate'
        properties: {
          rewriteRules: [
            {
              // Without a condition: each of these is set with every request, whatever the caller sent.
              name: 'client-certificate'
              ruleSequence: 100
              actionSet: {
                requestHeaderConfigurations: [
                  { headerName: 'X-Client-Cert', headerValue: '{var_client_certificate}' }
                  { headerName: 'X-Client-Cert-Verification', headerValue: '{var_client_certificate_verification}' }
                  { headerName: '{{ secret_header }}', headerValue: '{{ secret }}' }
                  // An empty value removes a header.
                  { headerName: 'Forwarded', headerValue: '' }
                ]
              }
            }
          ]
        }
      }
    ]
    requestRoutingRules: [
      {
        name: 'data-actions'
        properties: {
          ruleType: 'Basic'
          priority: 100
          httpListener: { id: '${gateway}/httpListeners/data-actions' }
          backendAddressPool: { id: '${gateway}/backendAddressPools/application' }
          backendHttpSettings: { id: '${gateway}/backendHttpSettingsCollection/application' }
          rewriteRuleSet: { id: '${gateway}/rewriteRuleSets/client-certificate' }
        }
      }
    ]
  }
}
