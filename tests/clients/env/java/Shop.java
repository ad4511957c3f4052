import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.api.GlobalOpenTelemetry;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** A shop that people call over HTTP; the agent does the rest. */
class Shop {
    public static void main(String[] arguments) throws Exception {
        var meter = GlobalOpenTelemetry.getMeter("shop");
        var requests = meter.counterBuilder("shop.requests.total").build();
        var orders = meter.counterBuilder("shop.orders").build();
        var durations = meter.histogramBuilder("shop.request.duration").build();
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            requests.add(1);
            orders.add(2);
            durations.record(25);
            exchange.sendResponseHeaders(204, -1);
            exchange.close();
        });
        server.start();
        var client = HttpClient.newHttpClient();
        var shop = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");
        for (int number = 0; number < 20; number++) {
            client.send(HttpRequest.newBuilder(shop).build(), HttpResponse.BodyHandlers.discarding());
        }
        server.stop(0);
    }
}
