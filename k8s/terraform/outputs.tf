output "connect" {
  description = "Command that makes kubectl talk to the cluster."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.this.name} --region ${var.region} --project ${var.project_id}"
}

output "image_registry" {
  description = "Where images are pushed to and pulled from; the overlay `cluster` wants it."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.name}"
}

output "pods_range" {
  description = "Value of the dispatcher's --pod-cidrs, so that images go to pods and nowhere else."
  value       = var.pods_range
}

output "dispatcher_identity" {
  description = "Annotation iam.gke.io/gcp-service-account of the dispatcher's service account, once it is to be somebody outside the cluster."
  value       = google_service_account.dispatcher.email
}

output "cluster_endpoint" {
  description = "Address of the control plane."
  value       = google_container_cluster.this.endpoint
  sensitive   = true
}
