# SPDX-License-Identifier: Apache-2.0
# A balancer, and as many workers as there is work: nomad job run program-explorer.nomad.hcl
#
# The workers are containers without a device and without added rights: their VMs are User Mode Linux.
# Before that, put the token that admits workers into the variable nomad/jobs/program-explorer:
#   nomad var put nomad/jobs/program-explorer token="$(openssl rand -hex 32)"
# The policy needs the Nomad Autoscaler with the APM plugin "prometheus", and a Prometheus that scrapes
# /metrics of the balancer. Each node of a worker has its images in /var/lib/program-explorer/images.

variable "registry" {
  type        = string
  default     = "localhost"
  description = "Where the container images of deploy/containers are."
}

job "program-explorer" {
  datacenters = ["*"]
  type        = "service"

  group "balancer" {
    count = 1

    network {
      port "http" { static = 8080 }
    }

    service {
      name     = "pe-lb"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/healthz"
        interval = "10s"
        timeout  = "2s"
      }
    }

    task "pe-lb" {
      driver       = "docker"
      kill_timeout = "215s" # longer than --drain-ms

      config {
        image = "${var.registry}/program-explorer-lb"
        ports = ["http"]
        args  = ["--listen", "*:8080", "--token-file", "${NOMAD_SECRETS_DIR}/token", "--cache-dir", "/var/cache/pe-lb", "--spool-dir", "/var/cache/pe-lb"]
      }

      template {
        data        = "{{ with nomadVar \"nomad/jobs/program-explorer\" }}{{ .token }}{{ end }}\n"
        destination = "secrets/token"
        # pe-lb refuses a file that others may read. It runs as this user (Containerfile.lb).
        perms         = "400"
        uid           = 65532
        gid           = 65532
        change_mode   = "signal"
        change_signal = "SIGHUP"
      }

      resources {
        cpu    = 500
        memory = 2048
      }
    }
  }

  group "worker" {
    count = 2

    scaling {
      enabled = true
      min     = 1
      max     = 50

      policy {
        cooldown            = "2m"
        evaluation_interval = "10s"

        # A worker has four slots.
        check "requests" {
          source = "prometheus"
          query  = "sum(pe_requests_open)"

          strategy "target-value" {
            target = 4
          }
        }
      }
    }

    task "pe-worker" {
      driver       = "docker"
      kill_signal  = "SIGTERM" # the worker finishes its jobs
      kill_timeout = "715s"

      config {
        image   = "${var.registry}/program-explorer-worker"
        args    = ["--server", "${PE_SERVER}", "--token-file", "${NOMAD_SECRETS_DIR}/token", "--vmm", "uml", "--slots", "4"]
        volumes = ["/var/lib/program-explorer/images:/var/lib/program-explorer/images:ro"]
      }

      template {
        data        = "{{ with nomadVar \"nomad/jobs/program-explorer\" }}{{ .token }}{{ end }}\n"
        destination = "secrets/token"
        perms       = "600"
        change_mode = "restart"
      }

      template {
        data        = "{{ range nomadService \"pe-lb\" }}PE_SERVER=http://{{ .Address }}:{{ .Port }}\n{{ end }}"
        destination = "local/balancer.env"
        env         = true
      }

      resources {
        cpu    = 4000
        memory = 6144
      }
    }
  }
}
